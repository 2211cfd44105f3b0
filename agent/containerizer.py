"""What an agent asks of whatever runs tasks apart from one another, in containerd's words.

`process_containerizer` is the one over the launcher; `fake_containerizer` ships for tests and for
authors; `tests/contract/test_containerizers.py` is what each of them must keep to.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import field
from pathlib import Path
from typing import Protocol

from fairlead.common.dataclass import dataclass
from fairlead.common.errors import ContainerError
from fairlead.common.ids import GpuId, LaunchUuid
from fairlead.common.processes import ProcessIdentity
from fairlead.common.resources import PortRange
from fairlead.common.values import Container, Usage

from .limits import Limits


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """One launch. `env` is complete; `files` are written into the sandbox, mode 0600, before it.

    stdout and stderr of the task are appended to the files of those names in the sandbox.
    """

    uuid: LaunchUuid
    argv: tuple[str, ...]
    env: Mapping[str, str]
    sandbox: Path
    files: Mapping[str, bytes] = field(default_factory=dict)
    limits: Limits = Limits()
    container: Container | None = None
    """None: it is to run as plain processes, and what follows is of no account."""
    gpu_ids: tuple[GpuId, ...] = ()
    ports: tuple[PortRange, ...] = ()
    user: str = ""


Started = ProcessIdentity
"""The main process of a task."""


@dataclass(frozen=True, slots=True)
class ContainerExit:
    """How it ended; neither code nor signal means that nobody saw it end.

    The peak is that of all its processes together where they stand in a control group, else that
    of the largest one that was waited for.
    """

    uuid: LaunchUuid
    code: int | None = None
    signal: int | None = None
    max_rss_bytes: int = 0
    cpu_s: float = 0.0
    is_out_of_memory: bool = False
    """Something of it was killed because all of it reached its limit; then the rest is as well."""

    @property
    def is_unknown(self) -> bool:
        return self.code is None and self.signal is None


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of a launch: it runs if it has no exit."""

    uuid: LaunchUuid
    started: Started | None
    exit: ContainerExit | None = None


OnExit = Callable[[ContainerExit], None]
"""Called once per launch that ended, from the event loop, never before `launch` has returned to
whoever awaits it directly."""


class Containerizer(Protocol):
    """Made with a callback `OnExit`. Everything but `recover` needs `recover` to have been called.

    Tasks outlive the containerizer: after `close`, another one finds them with `recover`.
    """

    @property
    def isolation(self) -> str:
        """For status and offers, such as "process", "cgroup v2" or "docker"."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know is weaker here, in plain words."""
        ...

    async def recover(self, known: Collection[LaunchUuid] = ()) -> list[Recovered]:
        """What became of each known launch, and of every other one that is found.

        Exits told here are not told again by the callback. Whoever is not wanted any more is to be
        destroyed, or forgotten, by the caller. A known one of which there is no trace has an
        unknown exit.
        """
        ...

    async def launch(self, spec: LaunchSpec) -> Started:
        """Start it; once per uuid, a second time only tells. ContainerError if that fails."""
        ...

    async def signal(self, uuid: LaunchUuid, signum: int) -> None:
        """To all its processes. Nothing happens if it does not run."""
        ...

    async def suspend(self, uuid: LaunchUuid) -> None:
        """Freeze all its processes: when this returns none of them runs. Idempotent.

        It stays so over restarts of the agent. ContainerError if it cannot be, and then it runs;
        nothing happens if it has ended.
        """
        ...

    async def resume(self, uuid: LaunchUuid) -> None:
        """Let them go on. Idempotent; nothing happens if it has ended."""
        ...

    async def update(self, uuid: LaunchUuid, limits: Limits) -> None:
        """Hold it to these from now on. Idempotent. ContainerError if that cannot be done, such as
        to less memory than it uses; then the former limits stay in force.
        """
        ...

    async def destroy(self, uuid: LaunchUuid) -> None:
        """Kill all its processes, now, suspended or not; its exit is told as any other. Idempotent.

        Where there are control groups nobody escapes, and an exit is told when all are gone.
        """
        ...

    async def forget(self, uuid: LaunchUuid) -> None:
        """It has ended and its exit is safely noted; `recover` need not tell of it again."""
        ...

    async def pids(self, uuid: LaunchUuid) -> frozenset[int]:
        """Of all its processes, as this machine numbers them; none if it does not run."""
        ...

    def usage(self, uuid: LaunchUuid) -> Usage | None:
        """The latest sample, about a second old at most; None if there is none yet."""
        ...

    async def close(self) -> None:
        """Let go; what runs goes on running."""
        ...


def write_files(sandbox: Path, files: Mapping[str, bytes]) -> None:
    """Make the sandbox and what is to lie in it before the start. No name may lead out of it."""
    for name in files:
        if not name or name in {".", ".."} or "/" in name or "\0" in name:
            raise ContainerError(
                f"cannot write a file named {name!r} into a sandbox: no plain name"
            )
    try:
        sandbox.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, content in files.items():
            path = sandbox / name
            path.unlink(missing_ok=True)
            path.touch(mode=0o600, exist_ok=False)
            path.write_bytes(content)
    except OSError as problem:
        raise ContainerError(
            f"cannot prepare the sandbox {sandbox}: {problem.strerror}", temporary=True
        ) from None
