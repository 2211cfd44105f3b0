"""A Docker engine of the tests' own, and an image made here, since none can be pulled.

Needs root on Debian. Nothing of it is shared with an engine of the machine: data, socket, bridge
and control groups are its own, and all of them are gone afterwards.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.support.command import until

PACKAGES = {
    "dockerd": "docker.io",
    "docker-compose": "docker-compose",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "iptables": "iptables",
}
CACHE = Path.home() / ".cache" / "fairlead-tests"
IMAGE = "fairlead-test-base"
"""Debian with python3: of the same release as this machine, so that its Python is the same."""
LEFT_OUT = ("./var/cache/apt/*", "./var/lib/apt/*", "./usr/share/doc/*", "./usr/share/locale/*")
START_S = 60.0
CONTROLLERS = Path("/sys/fs/cgroup")
SHIMS = Path("/run/containerd/s")
"""Of every containerd on the machine, whatever else it is told."""


class NoEngineError(Exception):
    """Why there can be no engine here."""


class Engine:
    """One daemon. It is no child of the tests: a test may kill it and start it again."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.socket = home / "docker.sock"
        self.host = f"unix://{self.socket}"
        self._bridge = f"flt{os.getpid()}"
        self._group = f"fairlead-tests-{os.getpid()}"

    @property
    def pid(self) -> int:
        """Of the daemon; 0 if it does not run."""
        return _living(self.home / "pid", "dockerd")

    def start(self) -> None:
        """Returns when it answers. What a former one left running it takes over."""
        if not Path("/sys/class/net", self._bridge).exists():
            address = f"172.31.{os.getpid() % 254}.1/24"
            _run("ip", "link", "add", self._bridge, "type", "bridge")
            _run("ip", "address", "add", address, "dev", self._bridge)
            _run("ip", "link", "set", self._bridge, "up")
        (self.home / "pid").unlink(missing_ok=True)
        # it would take the remains of a killed one that nobody has reaped yet for a living one
        (self.home / "exec" / "containerd" / "containerd.pid").unlink(missing_ok=True)
        _leave_to_itself("dockerd", *self._options(), log=self.home / "log")
        until("the Docker engine answers", self.answers, START_S)

    def _options(self) -> list[str]:
        return [
            f"--host={self.host}",
            f"--data-root={self.home}/data",
            f"--exec-root={self.home}/exec",
            f"--pidfile={self.home}/pid",
            f"--bridge={self._bridge}",
            f"--cgroup-parent=/{self._group}",
            "--exec-opt=native.cgroupdriver=cgroupfs",
            "--live-restore",
            # the machine's own rules and routes are left alone
            "--iptables=false",
            "--ip-masq=false",
            "--ip-forward=false",
        ]

    def answers(self) -> bool:
        return self.docker("version", check=False, timeout_s=5.0) != ""

    def docker(self, *words: str, check: bool = True, timeout_s: float = 60.0) -> str:
        """What its own client prints on stdout."""
        argv = ["docker", f"--host={self.host}", *words]
        try:
            done = subprocess.run(
                argv, capture_output=True, text=True, check=False, timeout=timeout_s
            )
        except subprocess.TimeoutExpired:
            assert not check, f"{' '.join(words)}: no answer after {timeout_s:g} s"
            return ""
        assert not check or done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        return done.stdout.strip() if done.returncode == 0 else ""

    def import_tree(self, tree: Path, image: str) -> None:
        """An image of what lies in a directory."""
        tar = ["tar", "-C", str(tree), *(f"--exclude={each}" for each in LEFT_OUT), "-c", "."]
        with subprocess.Popen(tar, stdout=subprocess.PIPE) as packing:
            argv = ["docker", f"--host={self.host}", "import", "-", image]
            subprocess.run(argv, stdin=packing.stdout, capture_output=True, check=True)
        assert packing.returncode == 0, f"tar ended with {packing.returncode}"

    def send(self, signum: int) -> None:
        """To the daemon: SIGSTOP makes it hang."""
        if self.pid:
            os.kill(self.pid, signum)

    def kill(self) -> None:
        """What a machine without memory to spare does to it."""
        self.end(signal.SIGKILL)

    def end(self, signum: int = signal.SIGTERM) -> None:
        """Its containers go on. What sees them end goes with it: nobody does, until it is back."""
        helper = self.home / "exec" / "containerd" / "containerd.pid"
        self.send(signum)
        until(
            "the Docker engine has ended",
            lambda: not self.pid and not _living(helper, "containerd"),
            START_S,
        )

    def remove_containers(self) -> None:
        if containers := self.docker("ps", "--all", "--quiet").split():
            self.docker("rm", "--force", *containers)

    def close(self) -> None:
        """Nothing of it is left; its data are about to go."""
        self.send(signal.SIGCONT)
        if not self.pid and (self.home / "data" / "image").exists():
            self.start()
        if self.pid:
            self.remove_containers()
            self.docker("network", "prune", "--force")
            self.kill()  # it would wait for who still listens to it
        _remove_dead(SHIMS)
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            if (place := line.split()[1]).startswith(f"{self.home}/"):
                _run("umount", "--lazy", place)
        _run("ip", "link", "delete", self._bridge)
        for parent in [*CONTROLLERS.glob(f"*/{self._group}"), CONTROLLERS / self._group]:
            for directory, _, _ in os.walk(parent, topdown=False):
                Path(directory).rmdir()
        # a busy disk may take a minute for so many files: no test's time limit is to hold it
        _leave_to_itself("rm", "--recursive", "--force", str(self.home))


def _leave_to_itself(*argv: str, log: Path = Path(os.devnull)) -> None:
    """A process that is none of the test's, and may outlive it."""
    env = {name: value for name, value in os.environ.items() if name != "FAIRLEAD_TEST"}
    with log.open("ab") as output:
        argv = ("setsid", "--fork", *argv)
        subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, check=True
        )


def _remove_dead(sockets: Path) -> None:
    """Those at which nobody listens any more: who is killed leaves them behind. Asked after they
    were found: one that another engine makes meanwhile is no dead one.
    """
    found = list(sockets.glob("*"))
    listening = Path("/proc/net/unix").read_text()
    for path in found:
        if str(path) not in listening:
            path.unlink(missing_ok=True)


def _living(file: Path, name: str) -> int:
    """The process that a file names, if it is of that name and alive; else 0."""
    try:
        pid = int(file.read_text())
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (OSError, ValueError):
        return 0
    is_it = stat.partition("(")[2].rpartition(")")[0] == name
    return pid if is_it and stat.rpartition(") ")[2][0] not in "ZX" else 0


def install() -> None:
    """Whatever of the engine is missing on this machine."""
    if os.geteuid() != 0:
        raise NoEngineError("not root, who alone may start a Docker engine")
    _install([package for program, package in PACKAGES.items() if shutil.which(program) is None])
    if shutil.which("docker") is None:  # a package of its own in later releases
        _install(["docker-cli"])


def _install(packages: Sequence[str]) -> None:
    if not packages:
        return
    if shutil.which("apt-get") is None:
        raise NoEngineError(f"not Debian, and {', '.join(packages)} cannot be installed")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        _run("apt-get", "update", "-q", env=env)
        _run("apt-get", "install", "-q", "-y", "--no-install-recommends", *packages, env=env)
    except subprocess.CalledProcessError as error:
        raise NoEngineError(f"cannot install {', '.join(packages)}: {_last(error)}") from error


def base_tree() -> Path:
    """Debian's smallest with python3; made once on a machine, which takes most of a minute."""
    release = _release()
    tree = CACHE / f"debian-{release}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tree.exists():
            draft = CACHE / f"draft-{release}"
            shutil.rmtree(draft, ignore_errors=True)
            include = "--include=python3,python3-venv"
            try:
                _run("debootstrap", "--variant=minbase", include, release, str(draft))
            except subprocess.CalledProcessError as error:
                raise NoEngineError(f"no base image can be made: {_last(error)}") from error
            draft.rename(tree)
    return tree


@contextlib.contextmanager
def living_engine() -> Iterator[Engine]:
    """With the image, for as long as the context lasts; NoEngineError says why there is none."""
    install()
    tree = base_tree()
    engine = Engine(Path(tempfile.mkdtemp(prefix="fl-docker-", dir="/tmp")))
    try:
        try:
            engine.start()
        except AssertionError as error:
            last = (engine.home / "log").read_text().splitlines()[-3:]
            raise NoEngineError(f"{error}; its log ends with: {' / '.join(last)}") from error
        engine.import_tree(tree, IMAGE)
        yield engine
    finally:
        engine.close()


def _release() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    raise NoEngineError("not Debian: no release has a name here")


def _run(*argv: str, env: dict[str, str] | None = None) -> None:
    subprocess.run(argv, capture_output=True, text=True, check=True, env=env)


def _last(error: subprocess.CalledProcessError) -> str:
    lines = f"{error.stdout}\n{error.stderr}".strip().splitlines()
    return lines[-1] if lines else str(error)


def prepare() -> None:
    """What takes long, once on a machine, before any test has its time limit."""
    try:
        install()
        base_tree()
    except NoEngineError as error:
        print(f"no Docker engine: {error}")  # noqa: T201 - the tests will skip and say so


if __name__ == "__main__":
    prepare()
