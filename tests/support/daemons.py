"""Daemons started one by one through their own verbs, killed, and started again by the test."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.command import Command, processes_of, until

from fairlead.common.client import SyncClient, connect_sync
from fairlead.common.errors import FairleadError
from fairlead.common.home import Home
from fairlead.common.operators import (
    AgentState,
    AgentView,
    FrameworkView,
    OperatorBody,
    OperatorCall,
    OperatorReply,
    StateQuery,
    StateReply,
    TaskView,
)
from fairlead.common.rpc import GET_STATE, OPERATE
from fairlead.common.tls import Reach, Tls

TAIL = 3000


class Daemons:
    """Of one home; the books are checked after every step of each."""

    def __init__(self, path: Path, tls: Path | None = None) -> None:
        named = {"FAIRLEAD_TLS": str(tls)} if tls else {}
        self.command = Command(path, FAIRLEAD_CHECK="1", **named)
        self.home = Home(path, Reach(Tls.find(environment=named)))
        self._argv: dict[str, tuple[str, ...]] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    # --- begun and ended

    def master(self, *flags: str) -> None:
        """Start it, and wait until it leads."""
        self.begin("master", "master", *flags)

    def agent(self, name: str = "a1", *flags: str) -> None:
        """Start it, and wait until the master knows it."""
        self.begin(name, "agent", "--name", name, *flags)

    def begin(self, name: str, *argv: str) -> None:
        """Any daemon, and wait until it is of use."""
        self._argv[name] = argv
        self.again(name)

    def again(self, *names: str) -> None:
        """Start these once more, at once and as before."""
        before = {name: self._address(name) for name in names}
        for name in names:
            self.start(name)
        for name in names:
            self._until_in_use(name, before[name])

    def start(self, name: str) -> None:
        """Without waiting for anything."""
        assert name not in self._running, f"{name} runs"
        self.home.ensure()
        with self.home.log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                self.command.argv(*self._argv[name]),
                env=self.command.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def launch(self, name: str, *argv: str) -> None:
        """Any daemon, without waiting for anything."""
        self._argv[name] = argv
        self.start(name)

    def kill(self, *names: str, signum: int = signal.SIGKILL) -> None:
        """All at once; waits until they are no more."""
        processes = [self._running.pop(name) for name in names]
        for process in processes:
            process.send_signal(signum)
        for process in processes:
            process.wait(15)

    def ended(self, name: str) -> int:
        """The exit code of one that ends by itself."""
        return self._running.pop(name).wait(15)

    def end(self) -> None:
        """Daemons, launchers and tasks."""
        self.kill(*self._running, signum=signal.SIGTERM)
        self.command("down")

    def lives(self, name: str) -> bool:
        return self._running[name].poll() is None

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def log(self, name: str) -> str:
        path = self.home.log(name)
        return path.read_text(errors="replace") if path.exists() else ""

    def logs(self) -> str:
        """The end of each, for a test that has failed."""
        names = sorted(path.stem for path in self.home.logs.glob("*.log"))
        return "\n".join(f"--- {name}\n{self.log(name)[-TAIL:]}" for name in names)

    def _until_in_use(self, name: str, before: str) -> None:
        def is_in_use() -> bool:
            assert self.lives(name), f"{name} ended: {self.log(name)[-TAIL:]}"
            return self._address(name) not in ("", before)

        until(f"{name} is in use", is_in_use)

    def _address(self, name: str) -> str:
        """Where this life of it listens, once the others know; empty: nowhere yet."""
        if self._argv[name][0] == "master":
            leader = self.home.read_leader()
            return f"{leader.address} {leader.epoch}" if leader else ""
        try:
            view = self.agents().get(name)
        except FairleadError:
            return ""
        return view.agent.address if view and view.state is AgentState.CONNECTED else ""

    # --- asked

    def address(self) -> str:
        """Of the master that leads, or led last."""
        leader = self.home.read_leader()
        if leader is None:
            raise FairleadError("no master has led")
        return leader.address

    def state(self) -> StateReply:
        client = self._client()
        try:
            return client.call(GET_STATE, StateQuery())
        finally:
            client.close()

    def order(self, body: OperatorBody) -> OperatorReply:
        client = self._client()
        try:
            return client.call(OPERATE, OperatorCall(body))
        finally:
            client.close()

    def _client(self) -> SyncClient:
        return connect_sync(self.address(), self.home.token(), self.home.tls)

    def agents(self) -> dict[str, AgentView]:
        return {view.agent.name: view for view in self.state().agents}

    def tasks(self) -> dict[str, TaskView]:
        return {view.task_id: view for view in self.state().tasks}

    def frameworks(self) -> dict[str, FrameworkView]:
        """Those that have not ended, by name."""
        found = self.state().frameworks
        return {view.framework.name: view for view in found if not view.is_ended}


@contextmanager
def daemons_of(path: Path, tls: Path | None = None) -> Iterator[Daemons]:
    """None yet; whatever is started goes at the end."""
    daemons = Daemons(path, tls)
    try:
        yield daemons
    finally:
        daemons.end()
        print(daemons.logs())  # noqa: T201 - pytest shows it when the test has failed
        left = processes_of(path)
    assert not left, f"still there at the end: {left}"
