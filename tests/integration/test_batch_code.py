"""The caller's own modules reach workers that cannot see the caller's disk."""

import importlib
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.support.batch import PATIENCE_S, LocalBatch, local_batch, wait_until
from tests.support.modules import imports_from, load, write_files

from fairlead.frameworks.batch import Executor, NotPicklableError
from fairlead.frameworks.batch.async_channel import AsyncChannel
from fairlead.frameworks.batch.frames import Buffer

SHOP = {
    "shop/__init__.py": "from .prices import total\n",
    "shop/prices.py": """
        import importlib.resources
        from pathlib import Path

        import money

        def total(n):
            import late_module
            from . import deep
            factor = int((Path(__file__).parent / "data" / "factor.txt").read_text())
            same = int(importlib.resources.files("shop").joinpath("data/factor.txt").read_text())
            assert factor == same and late_module.is_here and deep.inner.is_here
            return money.euros(n * factor)

        def where():
            return __file__
        """,
    "shop/deep/inner.py": "is_here = True\n",
    "shop/deep/__init__.py": "from . import inner\n",
    "shop/data/factor.txt": "3",
    "money.py": "def euros(n):\n    return f'{n} euros'\n",
    "late_module.py": "is_here = True\n",
    "unrelated.py": "raise RuntimeError('nobody asked for this')\n",
}
"""A package with data, a module beside it, and one that is imported only when a function runs."""


@pytest.fixture
def batch(fairlead_home: Path) -> Iterator[LocalBatch]:
    with local_batch(fairlead_home, workers=1) as running:
        yield running


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Path]:
    """Where the caller's modules lie."""
    directory = tmp_path / "own"
    directory.mkdir()
    with imports_from(directory):
        yield directory


def write(directory: Path, files: Mapping[str, str]) -> None:
    write_files(directory, {name: textwrap.dedent(text) for name, text in files.items()})


def hide(directory: Path) -> None:
    """From here on it is as if workers were on another machine."""
    directory.rename(directory.with_name("hidden"))


@pytest.mark.usefixtures("batch")
def test_modules_and_their_data_reach_a_worker_that_cannot_see_them(own: Path) -> None:
    write(own, SHOP)
    shop = load("shop")
    with Executor(max_workers=1) as executor:
        total, where = executor.prepare(shop.total), executor.prepare(shop.prices.where)
        by_value = executor.prepare(lambda n: [shop.prices.total(n)])
        hide(own)
        assert executor.submit(total, 4).result(PATIENCE_S) == "12 euros"
        assert executor.submit(by_value, 5).result(PATIENCE_S) == ["15 euros"]
        there = Path(executor.submit(where).result(PATIENCE_S))
    assert own not in there.parents
    assert not list(there.parents[1].glob("unrelated.py"))


@pytest.mark.usefixtures("batch")
def test_the_class_of_an_argument_and_of_a_result_travels(own: Path) -> None:
    write(own, {"points.py": "class Point:\n    def __init__(self, x):\n        self.x = x\n"})
    points = load("points")
    with Executor(max_workers=1) as executor:
        later = executor.submit(time.sleep, 0.2)  # so that the call is sent when all is hidden
        future = executor.submit(lambda point: [point, type(point)(point.x + 1)], points.Point(1))
        hide(own)
        later.result(PATIENCE_S)
        first, second = future.result(PATIENCE_S)
    assert (type(first), type(second)) == (points.Point, points.Point)
    assert second.x == 2


@pytest.mark.usefixtures("batch")
def test_edited_code_is_picked_up_and_running_calls_finish_with_the_old(own: Path) -> None:
    program = """
        import pathlib, time
        import {helper}

        def version():
            return {helper}.version

        def slowly(started, go_on):
            pathlib.Path(started).touch()
            while not pathlib.Path(go_on).exists():
                time.sleep(0.01)
            import {helper}
            return version(), {helper}.version
        """.format(helper="edited_helper")
    write(own, {"edited.py": program, "edited_helper.py": "version = 1\n"})
    edited = load("edited")
    started, go_on = own.parent / "started", own.parent / "go on"
    with Executor(max_workers=1) as executor:
        assert executor.submit(edited.version).result(PATIENCE_S) == 1
        old = executor.prepare(edited.version)
        running = executor.submit(edited.slowly, str(started), str(go_on))
        wait_until("the call runs", started.exists)
        (own / "edited_helper.py").write_text("version = 2\n")
        new = executor.submit(edited.version)
        go_on.touch()
        assert running.result(PATIENCE_S) == (1, 1)
        assert new.result(PATIENCE_S) == 2
        # A map that began before the edit goes on as it began.
        assert [executor.submit(f).result(PATIENCE_S) for f in (old, edited.version, old)] == [
            1, 2, 1,
        ]  # fmt: skip
        process = executor.submit(os.getpid).result(PATIENCE_S)
        for version in range(3, 9):  # more of them than a worker keeps
            (own / "edited_helper.py").write_text(f"version = {version}\n")
            assert executor.submit(edited.version).result(PATIENCE_S) == version
        assert executor.submit(old).result(PATIENCE_S) == 1
        assert executor.submit(os.getpid).result(PATIENCE_S) == process


NOTEBOOK = """
import code, importlib, pathlib, sys
sys.dont_write_bytecode = True
from fairlead.frameworks.batch import Executor

def cell(text):
    exec(compile(text, "<ipython-input>", "exec"), vars(sys.modules["__main__"]))

with Executor(max_workers=1) as executor:
    cell("import sheet\\nclass Row:\\n    def __init__(self, n): self.n = n")
    cell("def double(row):\\n    return Row(row.n * sheet.factor())")
    cell("print(executor.submit(double, Row(3)).result().n)")
    pathlib.Path(sheet.__file__).write_text("def factor():\\n    return 10\\n")
    cell("importlib.reload(sheet)")
    cell("print(executor.submit(double, Row(3)).result().n)")
    cell("def double(row):\\n    return Row(row.n + 1)")
    cell("print(executor.submit(double, Row(3)).result().n)")
"""


@pytest.mark.usefixtures("batch")
def test_a_notebook_whose_cells_and_modules_change(tmp_path: Path) -> None:
    write(tmp_path, {"sheet.py": "def factor():\n    return 2\n", "notebook.py": NOTEBOOK})
    ended = subprocess.run(
        [sys.executable, str(tmp_path / "notebook.py")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ended.stdout.split(), ended.stderr) == (["6", "30", "4"], "")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many bytes drivers have put on the wire since this was last asked."""
    sizes: list[int] = []
    send = AsyncChannel.send

    def counting(
        self: AsyncChannel, kind: str, fields: Mapping[str, Any], buffers: Sequence[Buffer] = ()
    ) -> None:
        sizes.append(len(str(fields)) + sum(map(len, buffers)))
        send(self, kind, fields, buffers)

    def take() -> int:
        total = sum(sizes)
        sizes.clear()
        return total

    monkeypatch.setattr(AsyncChannel, "send", counting)
    return take


MIB = 1 << 20


@pytest.mark.usefixtures("batch")
def test_unchanged_code_is_not_sent_twice(own: Path, sent: Callable[[], int]) -> None:
    write(own, {"large/__init__.py": "def one():\n    return 1\n"})
    (own / "large/data.bin").write_bytes(os.urandom(2 * MIB))
    large = load("large")
    with Executor(max_workers=1) as executor:
        assert executor.submit(large.one).result(PATIENCE_S) == 1
        assert 2 * MIB < sent() < 2 * MIB + 20_000
        assert [executor.submit(large.one).result(PATIENCE_S) for _ in range(20)] == [1] * 20
        assert sent() < 20_000
        (own / "large/__init__.py").write_text("def one():\n    return 'new'\n")
        assert executor.submit(large.one).result(PATIENCE_S) == "new"
        assert sent() < 20_000
    with Executor(max_workers=1) as executor:  # another job, another lease, the same worker
        assert executor.submit(large.one).result(PATIENCE_S) == "new"
        assert sent() < 20_000


@pytest.mark.usefixtures("batch")
def test_what_a_call_has_damaged_is_sent_again(own: Path) -> None:
    write(own, {"fragile.py": "def whole():\n    return True\n"})
    fragile = load("fragile")

    def damage() -> int:
        files = list(Path(".code/files").iterdir())
        for path in files:
            path.write_text("raise RuntimeError('damaged')")
        return len(files)

    with Executor(max_workers=1) as executor:
        assert executor.submit(fragile.whole).result(PATIENCE_S)
        assert executor.submit(damage).result(PATIENCE_S) > 0
    with Executor(max_workers=1) as executor:
        assert executor.submit(fragile.whole).result(PATIENCE_S)


@pytest.mark.usefixtures("batch")
def test_what_no_import_names_can_be_included(own: Path) -> None:
    by_name = "import importlib\ndef run(name):\n    return importlib.import_module(name).hello\n"
    write(own, {"finder.py": by_name, "plugged.py": "hello = 'plugged'\n", "notes/a.txt": "note"})
    finder = load("finder")

    def read() -> str:
        return (Path(sys.path[0]) / "notes/a.txt").read_text()

    with Executor(max_workers=1) as executor:
        run = executor.prepare(finder.run)
        (own / "plugged.py").rename(own / "plugged.away")
        with pytest.raises(ModuleNotFoundError, match=r"name it in Executor\(include=\['plugged'"):
            executor.submit(run, "plugged").result(PATIENCE_S)
        (own / "plugged.away").rename(own / "plugged.py")
    with Executor(max_workers=1, include=["plugged", own / "notes"]) as executor:
        run, reading = executor.prepare(finder.run), executor.prepare(read)
        hide(own)
        assert executor.submit(run, "plugged").result(PATIENCE_S) == "plugged"
        assert executor.submit(reading).result(PATIENCE_S) == "note"


@pytest.mark.usefixtures("batch")
def test_what_is_excluded_or_too_large_stays_here(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fairlead.frameworks.batch.code_set.LIMIT", 10_000)
    listing = "import os\ndef names():\n    return sorted(os.listdir(os.path.dirname(__file__)))\n"
    write(own, {"bulky/__init__.py": listing, "bulky/big.bin": "x" * 20_000, "bulky/.git/x": ""})
    bulky = load("bulky")
    with Executor(max_workers=1) as executor:
        with pytest.raises(NotPicklableError, match=r"bulky/big.bin.*exclude=\['bulky/big.bin'\]"):
            executor.submit(bulky.names).result(PATIENCE_S)
        assert executor.submit(abs, -1).result(PATIENCE_S) == 1
    with Executor(max_workers=1, exclude=["*.bin"]) as executor:
        names = executor.submit(bulky.names).result(PATIENCE_S)
    assert [name for name in names if name != "__pycache__"] == ["__init__.py"]


@pytest.mark.usefixtures("batch")
def test_the_callers_module_comes_before_the_workers_of_the_same_name(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def theirs() -> bool:
        return hasattr(importlib.import_module("colorsys"), "rgb_to_hls")

    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    write(own, {"colorsys.py": "def whose():\n    return 'mine'\n"})
    mine = load("colorsys")
    with Executor(max_workers=1) as executor:
        whose = executor.prepare(mine.whose)
        hide(own)
        assert executor.submit(theirs).result(PATIENCE_S)
        assert executor.submit(whose).result(PATIENCE_S) == "mine"
