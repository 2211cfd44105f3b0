"""What every test may lean on: a state directory of its own, and the guard against leaks.

Adds the option `--no-skips`, with which a skip for any reason but a missing GPU fails the run.
"""

import contextlib
import os
import shutil
import signal
import tempfile
import time
import uuid
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

import hypothesis
import psutil
import pytest

SKIPS_ALLOWED_FOR = "no GPU"
LEAVE_S = 5.0  # what a process may take to end after its test
GUARDED = ("contract", "e2e", "integration", "real")
WATCHED = ("cpuacct", "memory", "pids", "freezer", "")  # controllers; the last is version 2 beside
MARK = "FAIRLEAD_TEST"  # in the environment of whatever a test starts

# Whoever is started in the background of a script ignores Ctrl-C, and so would all that we start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# a busy machine is no failure, and the same tree gives the same examples
hypothesis.settings.register_profile("fairlead", deadline=None, derandomize=True)
hypothesis.settings.load_profile("fairlead")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-skips",
        action="store_true",
        help=f'a skip whose reason does not begin with "{SKIPS_ALLOWED_FOR}" fails the run',
    )


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


def _forbid_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """A skip becomes a failure that says which reason it had."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = _reason(report)
    if not reason.startswith(SKIPS_ALLOWED_FOR):
        report.outcome = "failed"
        report.longrepr = f"skipped, which --no-skips forbids: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if item.config.getoption("--no-skips"):
        _forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if collector.config.getoption("--no-skips"):
        _forbid_skip(report)
    return report


@pytest.fixture
def fairlead_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state directory for one test, its path short enough for the unix sockets in it."""
    home = Path(tempfile.mkdtemp(prefix="fl-", dir="/tmp"))  # mkdtemp makes it 0700
    monkeypatch.setenv("FAIRLEAD_HOME", str(home))
    yield home
    shutil.rmtree(home)


def _marked(mark: str) -> Iterator[psutil.Process]:
    """Processes that inherited the mark, however far they moved from their parent."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # gone meanwhile, or another user's
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                yield process


def _living(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Without those that ended: a zombie waits for its parent only, and holds nothing."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _describe(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {' '.join(process.cmdline()) or process.name()}"
    except psutil.Error:
        return str(process.pid)


def _find_own_groups() -> list[Path]:
    """Of this process, where control groups of version 1 can be made."""
    found = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        directory = Path(f"/sys/fs/cgroup/{controllers or 'unified'}{path}")
        if controllers in WATCHED and os.access(directory, os.W_OK):
            found.append(directory)
    return found


@pytest.fixture(scope="session", autouse=True)
def _own_groups() -> Iterator[list[Path]]:
    """Groups of our own, so that what a test leaves is told from others' on this machine."""
    own = _find_own_groups()
    groups = [path / f"tests-{os.getpid()}" for path in own]
    for group in groups:
        group.mkdir(exist_ok=True)
        (group / "cgroup.procs").write_text(str(os.getpid()))
    yield groups
    for path, group in zip(own, groups, strict=True):
        (path / "cgroup.procs").write_text(str(os.getpid()))
        with contextlib.suppress(OSError):  # somebody else's process is still in there
            group.rmdir()


def _groups_in(groups: Iterable[Path]) -> set[Path]:
    walks = [walk for group in groups for walk in os.walk(group)]  # it forgives what vanishes
    return {Path(top, name) for top, names, _ in walks for name in names}


def _empty(groups: Iterable[Path]) -> set[Path]:
    """Those without processes: a cluster that serves several tests has tasks that live on."""
    empty = set()
    for group in groups:
        with contextlib.suppress(OSError):
            if not any(Path(top, "cgroup.procs").read_text() for top, _, _ in os.walk(group)):
                empty.add(group)
    return {group for group in empty if group.exists()}


def _remove_groups(groups: Iterable[Path]) -> None:
    for path in sorted(groups, reverse=True):
        with contextlib.suppress(OSError):
            path.rmdir()


@pytest.fixture(autouse=True)
def _no_process_is_left(request: pytest.FixtureRequest, _own_groups: list[Path]) -> Iterator[None]:
    """After a test that runs real processes, none that it started lives on; no control group."""
    if request.path.relative_to(Path(__file__).parent).parts[0] not in GUARDED:
        yield
        return
    mark = uuid.uuid4().hex
    groups_before = _groups_in(_own_groups)
    before = set(psutil.Process().children(recursive=True))
    os.environ[MARK] = mark
    yield
    del os.environ[MARK]
    children = set(psutil.Process().children(recursive=True)) - before
    left = _living({*_marked(mark), *children})
    groups = _empty(_groups_in(_own_groups) - groups_before)
    deadline = time.monotonic() + LEAVE_S
    while (left or groups) and time.monotonic() < deadline:
        time.sleep(0.02)
        left = _living(left)
        groups = _empty(groups)
    names = [_describe(process) for process in left]
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    _remove_groups(groups)
    assert not groups, f"control groups are left, now removed: {sorted(map(str, groups))}"
    assert not names, f"still alive {LEAVE_S:.0f} s after the test, now killed: {names}"
