"""Runs a supervisor over made-up daemons: `python supervised.py HOME PLAN`, as `up` would.

PLAN is JSON: {"daemons": {name: argv}, "temporary": bool}. Words on stdin are passed on (started,
detach, end, leave), what the supervisor says goes to stdout.
"""

import json
import os
import select
import sys

from fairlead.cli.cluster import take_lock
from fairlead.cli.supervisor import Daemon, Plan
from fairlead.cli.tether import Tether, fork_supervisor
from fairlead.common.home import Home


def main() -> None:
    """Until the supervisor has ended, or we are told to leave."""
    home = Home(sys.argv[1])
    wanted = json.loads(sys.argv[2])
    home.ensure()
    daemons = tuple(Daemon(name, tuple(argv)) for name, argv in wanted["daemons"].items())
    lock = take_lock(home)
    assert lock is not None
    agents = tuple(name for name in wanted["daemons"] if name != "master")
    plan = Plan(home, 1, agents, daemons, is_temporary=bool(wanted.get("temporary")))
    tether = fork_supervisor(plan, lock)
    while True:
        ready, _, _ = select.select([sys.stdin, tether.descriptor], [], [])
        if sys.stdin in ready:
            words = os.read(sys.stdin.fileno(), 4096).decode().split() or ["leave"]
            if not all(obey(tether, word) for word in words):
                return
        for word in tether.heard(0):
            sys.stdout.write(json.dumps(word) + "\n")
            sys.stdout.flush()
            if word["event"] == "gone":
                return


def obey(tether: Tether, word: str) -> bool:
    """Whether to stay."""
    if word == "leave":
        return False
    {"started": tether.started, "detach": tether.detach, "end": tether.end}[word]()
    return True


if __name__ == "__main__":
    main()
