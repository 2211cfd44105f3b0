"""What an allocation costs the master's core, beside Mesos' C++ allocator, both on 2 cores.

A agents of 24 cpus, 4 GiB memory, 4 GiB disk and ports 31000 to 32000, nothing of them used; F
frameworks without stated demand, each in a role of its own or all in one; no quota, equal weights.
Events go through `Master.step`, so that a cycle is a Tick: the decision, the books and the messages
that carry the offers, where the figures of Mesos are of its allocator alone. Each size is measured
in a process of its own, whose greatest memory is printed behind it.
"""

import argparse
import gc
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from statistics import median

from measure import Report, arguments

from fairlead.common.events import Received, Send, SessionOpened, Tick
from fairlead.common.ids import AgentId, CallId, FrameworkId, Role, SessionId
from fairlead.common.messages import (
    PROTOCOL_VERSION,
    AgentMessage,
    Decline,
    FrameworkMessage,
    Hello,
    OffersMade,
    RegisterAgent,
    Subscribe,
)
from fairlead.common.resources import Resources
from fairlead.common.values import AgentInfo, FrameworkInfo, Offer
from fairlead.master.core import Master
from fairlead.master.settings import MasterSettings

SIZE = Resources.of(cpus=24, mem=4 << 30, disk=4 << 30, ports=[(31000, 32000)])
MORE = Resources.of(cpus=1, mem=64 << 20)
CYCLES = 3
FREED = GROWN = 10
FOR_GOOD_S = 30 * 86400.0
MESOS = {
    (1000, 200): (0.22, 0.026, 0.0084, 0.012, 0.0056, 0.87, 0.8),
    (1000, 1000): (1.1, 0.079, 0.056, 0.057, 0.017, 3.0, 2.8),
    (5000, 200): (1.5, 0.132, 0.045, 0.046, 0.0088, 3.5, 3.3),
    (10000, 200): (4.6, 0.316, 0.105, 0.106, 0.0046, 5.5, 5.8),
    (10000, 1000): (27.0, 1.03, 0.648, 0.651, 0.028, 24.0, 9.5),
    (30000, 200): (17.0, 1.38, 0.347, 0.326, 0.011, 11.9, 6.7),
}
"""Medians of the C++ allocator, each framework in a role of its own: seconds to add the frameworks,
and of a full cycle, an idle one, with 10 agents freed, with 10 agents grown, with all declined; GB
of memory after that.
"""


@dataclass(slots=True)
class Cluster:
    """A master's core, and everybody who speaks to it."""

    master: Master
    offers: dict[SessionId, list[Offer]] = field(default_factory=dict)
    now: float = 0.0
    sessions: int = 0
    agents: list[SessionId] = field(default_factory=list)

    def say(self, event: Received | SessionOpened | Tick) -> float:
        """Seconds that the step took."""
        began = time.perf_counter()
        actions = self.master.step(event, self.now)
        took_s = time.perf_counter() - began
        for action in actions:
            body = getattr(getattr(action, "message", None), "body", None)
            if isinstance(action, Send) and isinstance(body, OffersMade):
                self.offers.setdefault(action.session, []).extend(body.offers)
        self.master.take_touched()
        return took_s

    def tick(self) -> float:
        return self.say(Tick())

    def open(self) -> SessionId:
        self.sessions += 1
        self.say(SessionOpened(SessionId(self.sessions)))
        return SessionId(self.sessions)

    def register(self, number: int, size: Resources = SIZE, attempt: int = 1) -> float:
        hello = Hello(PROTOCOL_VERSION, "", f"agent-{number}", attempt)
        info = AgentInfo(AgentId(f"a-{number}"), f"host-{number}", size)
        message = AgentMessage(RegisterAgent(hello, info, cluster_id="benchmark"))
        return self.say(Received(self.open(), message))

    def subscribe(self, number: int, role: str) -> float:
        hello = Hello(PROTOCOL_VERSION, "", f"framework-{number}", 1)
        info = FrameworkInfo(FrameworkId(f"f-{number}"), f"f{number}", roles=(Role(role),))
        return self.say(
            Received(self.open(), FrameworkMessage(Subscribe(hello, info), CallId("c")))
        )

    def decline_all(self, refuse_s: float) -> None:
        for session, offers in self.offers.items():
            self.decline(session, offers, refuse_s)
        self.offers.clear()

    def decline(self, session: SessionId, offers: Sequence[Offer], refuse_s: float) -> None:
        call = Decline(tuple(offer.offer_id for offer in offers), refuse_s)
        self.say(Received(session, FrameworkMessage(call, CallId("d"))))

    def free(self, count: int, random: Random) -> None:
        """So many offers are given back."""
        held = [(session, offer) for session, offers in self.offers.items() for offer in offers]
        for session, offer in random.sample(held, count):
            self.decline(session, (offer,), 0.0)
            self.offers[session].remove(offer)


def measured(options: argparse.Namespace) -> Iterator[tuple[str, float]]:
    """Each figure of one size, in seconds, as soon as it is known."""
    agents, frameworks = options.agents, options.frameworks
    settings = MasterSettings(min_filter_s=0.0, max_grants=10**9, offer_timeout_s=1e9, stall_s=1e9)
    cluster = Cluster(Master(settings, 1, "benchmark", Random(1)))
    random = Random("benchmark")
    yield "add agents", sum(cluster.register(number) for number in range(agents))
    one = "role" if options.one_role else ""
    yield (
        "add frameworks",
        sum(cluster.subscribe(number, one or f"role-{number}") for number in range(frameworks)),
    )
    full = []
    for _ in range(CYCLES):
        cluster.decline_all(0.0)
        gc.collect()
        full.append(cluster.tick())
        counts = {len(offers) for offers in cluster.offers.values()}
        assert sum(map(len, cluster.offers.values())) == agents, "an agent was not offered"
        assert max(counts) - min(counts) <= 1, f"frameworks have {counts} agents"
    yield "full", median(full)
    yield "idle", median(cluster.tick() for _ in range(CYCLES))
    some = []
    for _ in range(CYCLES):
        cluster.free(FREED, random)
        some.append(cluster.tick())
    yield "freed", median(some)
    yield "grown", grow(cluster, 1, random, agents)
    if options.declined:
        cluster.tick()
        while cluster.offers:
            cluster.decline_all(FOR_GOOD_S)
            cluster.tick()
        yield "declined", cluster.tick()
        yield "declined, grown", grow(cluster, 2, random, agents)


def grow(cluster: Cluster, times: int, random: Random, agents: int) -> float:
    """Some agents come back larger, in a new session."""
    took_s = []
    for number in random.sample(range(agents), GROWN):
        larger = SIZE
        for _ in range(times):
            larger += MORE
        cluster.register(number, larger, attempt=1 + times)
    took_s.append(cluster.tick())
    return median(took_s)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--size", action="append", metavar="A,F", help="[1000,200]")
    parser.add_argument("--one-role", action="store_true", help="instead of a role for each")
    parser.add_argument("--declined", action="store_true", help="until all have declined all")
    parser.add_argument("--agents", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--frameworks", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.agents:
        for name, took_s in measured(options):
            print(json.dumps([name, took_s]), flush=True)
        kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps(["memory", kib / 1e6]))
        return 0
    report = Report(options.output == "json")
    for size in options.size or ["1000,200"]:
        agents, frameworks = map(int, size.split(","))
        add_size(report, agents, frameworks, options)
    report.end()
    return 0


NAMES = ("add frameworks", "full", "idle", "freed", "grown", "declined", "memory")


def add_size(report: Report, agents: int, frameworks: int, options: argparse.Namespace) -> None:
    words = ["--agents", str(agents), "--frameworks", str(frameworks)]
    words += ["--one-role"] * options.one_role + ["--declined"] * options.declined
    figures: dict[str, list[float]] = {}
    for _ in range(options.runs):
        told = subprocess.run(
            [sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True, check=True
        )
        for line in told.stdout.splitlines():
            name, value = json.loads(line)
            figures.setdefault(name, []).append(value)
    peer = dict(zip(NAMES, MESOS.get((agents, frameworks), ()), strict=False))
    if options.one_role:
        peer = {}
    for name, values in figures.items():
        unit = "GB" if name == "memory" else "ms"
        scale = 1 if name == "memory" else 1000
        beside = f"Mesos {peer[name] * scale:g}" if name in peer else ""
        label = f"{agents:,} x {frameworks:,}: {name}"
        report.add(label, unit, [value * scale for value in values], beside)


if __name__ == "__main__":
    sys.exit(main())
