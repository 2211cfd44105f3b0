"""Starting a local cluster: fork the supervisor, wait until everything answers, stay or leave.

What goes wrong on the way is one line, and nothing stays behind.
"""

import json
import os
import select
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from fairlead.common.errors import FairleadError
from fairlead.common.home import Home
from fairlead.common.operators import AgentState, StateReply

from .cluster import Record, read_record, read_whole_record, take_lock
from .ending import Ended, agents_of, end, end_launchers, forget, holders
from .exits import Exit
from .plan import FRAMEWORKS
from .problems import CommandError
from .supervisor import Plan
from .tether import Tether, fork_supervisor

START_S = 20.0
LOOK_S = 0.03
WORDS = {"ended": "the cluster has ended", "released": "the cluster was ended by: fairlead down"}


class Told(Exception):  # noqa: N818 - like KeyboardInterrupt, no error
    """SIGTERM or SIGHUP, which mean the same as Ctrl-C."""


def _raise_told(signum: int, _frame: FrameType | None) -> None:
    raise Told(signum)


@contextmanager
def _told() -> Iterator[None]:
    """So that a closed terminal ends the cluster in order too."""
    before = {each: signal.signal(each, _raise_told) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


# --- the home


def take_home(home: Home) -> tuple[int, Record | None]:
    """The lock of a home in which nothing runs, and the record of what once ran there."""
    home.ensure()
    home.make_token()
    lock = take_lock(home)
    if lock is None:
        record = read_whole_record(home)
        where = f" (master at 127.0.0.1:{record.port})" if record is not None else ""
        raise CommandError(
            f"a cluster already runs in {home.path}{where}",
            Exit.ALREADY_RUNNING,
            hint="see it: fairlead status; end it: fairlead down; another beside it: --home DIR",
        )
    record = read_record(home)
    if record is None and (held := holders(home)):
        os.close(lock)
        names = ", ".join(f"{name} (pid {each.pid})" for name, each in held.items())
        raise CommandError(
            f"daemons that were started by hand run in {home.path} and hold {names}",
            Exit.ALREADY_RUNNING,
            hint="end them: fairlead down; or start a cluster beside it: --home DIR",
        )
    return lock, record


def clear_remains(home: Home, stale: Record | None, agents: Sequence[str]) -> None:
    """End daemons that lost their supervisor, and tasks of agents that will not run again.

    Tasks of agents that will are left alone: they are adopted.
    """
    if stale is None:
        forget(home)
        return
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(stale.started_at))
    print(f"the cluster of {when} in {home.path} did not end properly: starting it again")
    ended = Ended(processes=end(stale.daemons.values()))
    lost = [each for each in agents_of(home) if each.path.name in set(stale.agents) - set(agents)]
    ended += end_launchers(home, lost)
    if ended.processes or ended.tasks or ended.workers:
        print(f"of what it had left: {ended}")
    forget(home)


# --- waiting


def await_answers(tether: Tether, plan: Plan) -> StateReply:
    """The state of the cluster when every agent and framework is there."""
    deadline = time.monotonic() + START_S
    missing = "the master does not answer"
    while time.monotonic() < deadline:
        for word in tether.heard(LOOK_S):
            check(word, plan.home)
        if (state := _ask(plan.home)) is not None:
            missing = missing_of(state, plan.agents)
            if not missing:
                return state
    raise CommandError(
        f"the cluster did not come up within {START_S:.0f} s: {missing}",
        Exit.NOT_STARTED,
        hint=_why(plan, missing),
    )


def _why(plan: Plan, missing: str) -> str:
    """What the first agent that is not there said last, which may well be the reason."""
    late = [plan.home.log(name) for name in plan.agents if f"agent {name}," in f"{missing},"]
    for log in late:
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        if lines:
            return f"{log} ends with: {lines[-1]}"
    return f"look into {plan.home.logs}"


def check(word: Mapping[str, Any], home: Home) -> None:
    """Raise what the supervisor says, if that means that there will be no cluster."""
    if word["event"] == "failed":
        said = f": {word['line']}" if word["line"] else ""
        hint = f"look into {word.get('log', home.log('supervisor'))}"
        if home.agent(word["name"]).removed.exists():
            hint = "say it again: the agent has another name then"
        raise CommandError(
            f"{word['name']} {word['how']} while the cluster was starting{said}",
            Exit.NOT_STARTED,
            hint=hint,
        )
    if word["event"] in {"gone", "released", "ended"}:
        raise CommandError(
            "the cluster was ended while it was starting",
            Exit.NOT_STARTED,
            hint=f"look into {home.log('supervisor')}",
        )


def _ask(home: Home) -> StateReply | None:
    """The state, or None as long as nobody answers."""
    leader = home.read_leader()
    if leader is None:
        return None
    from .client import connected, locate

    with suppress(FairleadError), connected(locate(home)) as client:
        return client.state(timeout_s=2.0)
    return None


def missing_of(state: StateReply, agents: Sequence[str]) -> str:
    """What is not there yet, in words; empty when all is."""
    there = {view.agent.name for view in state.agents if view.state is AgentState.CONNECTED}
    missing = [f"agent {name}" for name in agents if name not in there]
    known = {view.framework.name for view in state.frameworks if view.is_connected}
    missing += [f"framework {name}" for name in FRAMEWORKS if name not in known]
    return f"not there yet: {', '.join(missing)}" if missing else ""


# --- the ways to run


def start_cluster(plan: Plan, lock: int, *, detach: bool) -> None:
    """Until it is up and detached, or has ended."""
    from .banner import print_banner

    with _told():
        tether = fork_supervisor(plan, lock)
        unread: OSError | None = None
        try:
            state = await_answers(tether, plan)
            try:
                print_banner(state, plan, is_detached=detach)
            except OSError as error:  # whoever was to read it has gone; the cluster is there
                unread = error
            if detach:
                tether.detach()
            else:
                tether.started()
                _stay(tether)
        except Told as told:
            _end(tether)
            raise CommandError("", Exit.SIGNALLED + told.args[0]) from None
        except BaseException:
            _end(tether)
            raise
        finally:
            tether.close()
    if unread is not None:
        raise unread


def _stay(tether: Tether) -> None:
    """Until Ctrl-C, or somebody else's `fairlead down`."""
    try:
        ended = _listen(tether)
    except (KeyboardInterrupt, Told):
        print("\nending the cluster and its tasks", flush=True)
        tether.end()
        ended = _listen(tether)
    if not ended:
        raise CommandError(
            "the supervisor of the cluster was killed",
            Exit.NOT_STARTED,
            hint="end what it left: fairlead down",
        )
    print(ended)


def _listen(tether: Tether) -> str:
    """What there is to say when the supervisor has gone; nothing if it said nothing."""
    said = ""
    for word in tether.words():
        if word["event"] == "ended":
            said = str(word["line"])
        elif word["event"] == "released":
            said = "the cluster was ended by: fairlead down"
    return said


def _end(tether: Tether) -> None:
    """In order, whatever made it necessary."""
    tether.end()
    for _ in tether.words():
        pass


def run_embedded(plan: Plan, lock: int) -> None:
    """For a program that wants a cluster of its own: a line of JSON, then until stdin closes."""
    tether = fork_supervisor(plan, lock)
    try:
        with _told():
            _await_files(tether, plan)
            tether.started()
            answer = {"home": str(plan.home.path), "address": f"127.0.0.1:{plan.port}"}
            print(json.dumps(answer), flush=True)
            _await_owner(tether)
    except (Told, KeyboardInterrupt):
        pass
    finally:
        _end(tether)
        tether.close()


def _await_files(tether: Tether, plan: Plan) -> None:
    """What the daemons write when they listen; asking them would cost more than it tells."""
    deadline = time.monotonic() + START_S
    files = [plan.home.leader_path, plan.home.path / "frameworks" / "batch.json"]
    while not all(path.exists() for path in files):
        for word in tether.heard(LOOK_S):
            check(word, plan.home)
        if time.monotonic() > deadline:
            raise CommandError(
                f"the cluster did not come up within {START_S:.0f} s", Exit.NOT_STARTED
            )


def _await_owner(tether: Tether) -> None:
    """Until our stdin closes, or the supervisor ends."""
    watched = [sys.stdin.fileno(), tether.descriptor]
    while True:
        ready = select.select(watched, [], [])[0]
        if tether.descriptor in ready or not os.read(sys.stdin.fileno(), 4096):
            return


def temporary_home() -> Home:
    """Goes with its cluster."""
    home = Home(Path(tempfile.mkdtemp(prefix="fairlead-")))
    home.ensure()
    home.make_token()
    return home
