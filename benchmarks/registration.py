"""What agents cost the master's core: `python benchmarks/registration.py`, 10,000 that register.

Each says what a real one does: its GPUs and attributes, and, as after a failover, the tasks that it
runs, for ten frameworks. A message is decoded from its bytes, taken in by the core, and what the
core answers is encoded; no socket is there, and time is that of the cpu. Then, each in a process of
its own, what an idle agent takes of memory: of the workload of `allocation.py`, and one with GPUs.
"""

import argparse
import gc
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from measure import Report, arguments

from fairlead.common import wire
from fairlead.common.events import Received, Send, SessionOpened, Tick
from fairlead.common.ids import (
    AgentId,
    FrameworkId,
    LaunchUuid,
    Role,
    SessionId,
    TaskId,
    UpdateUuid,
)
from fairlead.common.messages import PROTOCOL_VERSION, AgentMessage, Hello, RegisterAgent
from fairlead.common.resources import Resources
from fairlead.common.values import (
    AgentInfo,
    AgentTask,
    Command,
    FrameworkInfo,
    Gpu,
    Source,
    TaskInfo,
    TaskState,
    TaskStatus,
)
from fairlead.master.core import Master
from fairlead.master.settings import MasterSettings

GIB = 2**30
PLAIN = Resources.of(cpus=24, mem=4 * GIB, disk=4 * GIB, ports=[(31000, 32000)])
UUID = "5c1d8f6e-0f0c-4d53-9a3c-{:012d}"
TASK = Resources.of(cpus=1, mem=2 * GIB)
FRAMEWORKS = tuple(
    FrameworkInfo(FrameworkId(f"f-0-{n}"), f"framework-{n}", "someone", (Role(f"role-{n}"),))
    for n in range(10)
)


def registration(number: int, tasks: int, *, is_plain: bool) -> bytes:
    hello = Hello(PROTOCOL_VERSION, "0.1.0", UUID.format(number), 1)
    hostname = f"node-{number}.cluster.example"
    if is_plain:
        info = AgentInfo(AgentId(""), hostname, PLAIN)
        return wire.encode(AgentMessage(RegisterAgent(hello, info)))
    gpus = [f"GPU-{UUID.format(number * 8 + n)}" for n in range(8)]
    info = AgentInfo(
        AgentId(f"a-1-{number}"),
        hostname,
        Resources.of(cpus=64, mem=512 * GIB, disk=4096 * GIB, gpus=dict.fromkeys(gpus, 1.0)),
        {f"attribute-{n}": f"value-{number % 7}" for n in range(8)},
        zone=f"zone-{number % 3}",
        rack=f"rack-{number % 40}",
        gpus=tuple(Gpu(each, "NVIDIA A100-SXM4-80GB", 80 * GIB) for each in gpus),
        address=f"10.0.{number // 250}.{number % 250}:5051",
        isolation="cgroups",
        name=hostname,
    )
    running = tuple(_task(info.agent_id, number * tasks + n) for n in range(tasks))
    call = RegisterAgent(hello, info, running, frameworks=FRAMEWORKS if tasks else ())
    return wire.encode(AgentMessage(call))


def _task(agent_id: AgentId, number: int) -> AgentTask:
    framework, uuid = FRAMEWORKS[number % len(FRAMEWORKS)], LaunchUuid(UUID.format(number))
    task_id = TaskId(f"job-{number}")
    command = Command(("python", "train.py", "--shard", str(number)), {"OMP_NUM_THREADS": "1"})
    status = TaskStatus(
        framework.framework_id,
        task_id,
        uuid,
        agent_id,
        TaskState.RUNNING,
        Source.AGENT,
        sequence=2,
        update_uuid=UpdateUuid(UUID.format(number)),
        pid=number % 30_000,
    )
    info = TaskInfo(task_id, f"train {number}", command, TASK, labels={"team": "vision"})
    sandbox = f"/var/lib/fairlead/sandboxes/{uuid}"
    role = framework.roles[0]
    return AgentTask(framework.framework_id, info, uuid, status, TASK, sandbox, role)


def register(master: Master, messages: Sequence[bytes]) -> int:
    """Bytes of what is answered."""
    answered = 0
    for number, data in enumerate(messages):
        session = SessionId(number + 1)
        master.step(SessionOpened(session), 0.0)
        actions = master.step(Received(session, wire.decode(AgentMessage, data)), 0.0)
        sends = (action for action in actions if isinstance(action, Send))
        answered += sum(len(wire.encode(send.message)) for send in sends)
    master.step(Tick(), 0.0)
    return answered


def new_master() -> Master:
    return Master(MasterSettings(), 1, "benchmark", Random(1))


def seconds(report: Report, agents: int, tasks: int) -> float:
    messages = [registration(number, tasks, is_plain=False) for number in range(agents)]
    master = new_master()
    gc.collect()
    began = time.process_time()
    register(master, messages)
    took = time.process_time() - began
    assert len(master.books.agents) == agents
    assert sum(len(agent.tasks) for agent in master.books.agents.values()) == agents * tasks
    report.note(f"{sum(map(len, messages)) / agents / 1024:.1f} KiB a message")
    return took


def resident_kib() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def kib_of_one(count: int, *, is_plain: bool) -> float:
    """What the process has grown by, for each of them."""
    register(new_master(), [registration(n, 0, is_plain=is_plain) for n in range(100)])
    messages = (registration(n, 0, is_plain=is_plain) for n in range(count))
    master, before = new_master(), resident_kib()
    for number, data in enumerate(messages):
        session = SessionId(number + 1)
        master.step(SessionOpened(session), 0.0)
        master.step(Received(session, wire.decode(AgentMessage, data)), 0.0)
    master.step(Tick(), 0.0)
    master.take_touched()
    return (resident_kib() - before) / count


def elsewhere(options: argparse.Namespace, kind: str) -> float:
    """In a process of its own, that nothing else has grown."""
    done = subprocess.run(
        [sys.executable, __file__, "--memory-of", kind, "--agents", str(options.agents)],
        stdout=subprocess.PIPE,
        check=True,
    )
    return float(done.stdout)


def main() -> None:
    parser = arguments(__doc__)
    parser.set_defaults(runs=3)
    parser.add_argument("--agents", type=int, default=10_000)
    parser.add_argument("--memory-of", choices=("plain", "gpus"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        print(kib_of_one(options.agents, is_plain=options.memory_of == "plain"))
        return
    report = Report(options.output == "json")
    for tasks, runs in ((0, options.runs), (10, 1)):
        values = [seconds(report, options.agents, tasks) for _ in range(runs)]
        report.add(f"{options.agents:,} agents register, {tasks} tasks each", "s", values, "≤ 10")
    for kind, asked in (("plain", "≤ 4"), ("gpus", "")):
        what = "an idle agent" if kind == "plain" else "an idle agent with 8 GPUs and 8 attributes"
        report.add(f"{what} in the core", "KiB", [elsewhere(options, kind)], asked)
    report.end()


if __name__ == "__main__":
    main()
