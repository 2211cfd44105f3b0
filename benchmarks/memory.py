"""What an idle cluster with two warm workers holds in memory: `python benchmarks/memory.py`.

Each run starts one, has an executor make calls, ends that executor, and a moment later reads what
the kernel says of every process (PSS: pages that several share are divided among them).
"""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from local_cluster import Environment, cluster, descendants, memory_mib, own_environment
from measure import Report, arguments

from fairlead.agent.launcher_client import find_launcher

IDLE_S = 3.0
CALLS = """
from fairlead.frameworks.batch import Executor
with Executor(max_workers=2) as executor:
    assert sum(executor.map(abs, range(200))) == 19900
"""


def processes(environment: Environment) -> Mapping[str, list[int]]:
    """Those of the cluster, by what they are."""
    home = Path(environment["FAIRLEAD_HOME"])
    told = json.loads((home / "cluster.json").read_text())
    daemons = {name: [identity["pid"]] for name, identity in told["daemons"].items()}
    launcher = find_launcher(home / "agents" / "a1")
    assert launcher is not None, "an agent that is there has one"
    return {
        "master": daemons["master"],
        "agent": daemons["a1"],
        "launcher": [launcher.pid],
        "host of the frameworks": daemons["frameworks"],
        "2 workers": descendants(launcher.pid),
        "supervisor": [told["supervisor"]["pid"]],
    }


def measure(environment: Environment) -> Mapping[str, float]:
    with cluster(environment, "--agents", "1"):
        subprocess.run((sys.executable, "-c", CALLS), env=environment, check=True)
        time.sleep(IDLE_S)
        return {name: memory_mib(pids) for name, pids in processes(environment).items()}


def main() -> int:
    options = arguments(__doc__).parse_args()
    report = Report(options.output == "json")
    with own_environment() as environment:
        found = [measure(environment) for _ in range(options.runs)]
    for name in found[0]:
        report.add(f"idle memory: {name}", "MiB", [each[name] for each in found])
    report.add("idle memory: all", "MiB", [sum(each.values()) for each in found], "≤ 150")
    report.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
