"""The set of files that goes with a call."""

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.modules import imports_from, load, write_files

from fairlead.frameworks.batch import code_set
from fairlead.frameworks.batch.code_set import CodeSet, LocalCode
from fairlead.frameworks.batch.payloads import NotPicklableError


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Path]:
    with imports_from(tmp_path):
        yield tmp_path


def paths(code: CodeSet | None) -> list[str]:
    assert code is not None
    return sorted(code.files)


def test_what_workers_have_needs_no_set() -> None:
    code = LocalCode()
    assert code.now({"json", "pytest", "fairlead.common", "__main__", "nowhere_at_all"}) is None
    assert code.complete(None, {"json", "__main__"}) is None


def test_a_set_has_what_its_files_import(own: Path) -> None:
    write_files(own, {
        "front_b/__init__.py": "", "front_b/x.py": "import json, back_b, nowhere_b",
        "back_b.py": "def f():\n    from far_b.deep import y", "far_b/deep.py": "",
        "other_b.py": "",
    })  # fmt: skip
    made = LocalCode().now({"front_b.x"})
    assert paths(made) == ["back_b.py", "far_b/deep.py", "front_b/__init__.py", "front_b/x.py"]


def test_it_is_the_same_until_something_changes(own: Path) -> None:
    write_files(own, {"first_b.py": "1", "second_b.py": "2"})
    code = LocalCode()
    first = code.now({"first_b"})
    assert code.now({"first_b", "json"}) is first
    both = code.now({"second_b"})
    assert paths(both) == ["first_b.py", "second_b.py"]
    (own / "first_b.py").write_text("3")
    edited = code.now({"first_b"})
    assert edited is not None
    assert both is not None
    assert first is not None
    assert len({first.digest, both.digest, edited.digest}) == 3
    (own / "first_b.py").write_text("1")
    again = code.now({"first_b"})
    assert again is not None
    assert again.digest == both.digest
    assert edited.data([edited.files["first_b.py"].digest]) == [b"3"]
    (own / "second_b.py").unlink()
    assert paths(code.now({"first_b"})) == ["first_b.py"]


def test_a_set_is_completed_only_if_it_lacks_something(own: Path) -> None:
    write_files(own, {"first_c.py": "1", "second_c.py": "2"})
    code = LocalCode()
    first = code.now({"first_c"})
    (own / "first_c.py").write_text("edited")
    assert code.complete(first, {"first_c", "json", "__main__"}) is first
    assert paths(code.complete(first, {"second_c"})) == ["first_c.py", "second_c.py"]
    assert code.complete(None, {"json"}) is None


def test_a_module_that_is_written_later_is_found(own: Path) -> None:
    write_files(own, {"first_d.py": "try:\n    import later_d\nexcept ImportError: pass"})
    code = LocalCode()
    assert paths(code.now({"first_d"})) == ["first_d.py"]
    write_files(own, {"later_d.py": ""})
    load("later_d")
    assert paths(code.now({"first_d"})) == ["first_d.py", "later_d.py"]


def test_what_is_included_goes_with_every_call(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(own, {"plugin_e.py": "", "data/a.txt": "", "data/b.bin": "", "data/c.txt": ""})
    monkeypatch.chdir(own)
    assert paths(LocalCode(["plugin_e", "data/*.txt"]).now(())) == [
        "data/a.txt", "data/c.txt", "plugin_e.py",
    ]  # fmt: skip
    assert paths(LocalCode([Path("data")], ["*.bin"]).now(())) == ["data/a.txt", "data/c.txt"]


def test_what_is_excluded_is_left_out(own: Path) -> None:
    write_files(own, {"keep_f.py": "import drop_f, mixed_f", "drop_f.py": "",
                      "mixed_f/__init__.py": "", "mixed_f/big.bin": ""})  # fmt: skip
    code = LocalCode(exclude=["drop_f", "mixed_f/*.bin"])
    assert paths(code.now({"keep_f", "drop_f"})) == ["keep_f.py", "mixed_f/__init__.py"]


@pytest.mark.parametrize("item", ["nowhere_at_all", "nowhere/at/all", "nowhere*", Path("nowhere")])
def test_an_include_in_vain_is_refused(item: str | Path) -> None:
    with pytest.raises(ValueError, match=r"include: there is n.*nowhere"):
        LocalCode([item])


def test_one_string_is_no_list() -> None:
    with pytest.raises(TypeError, match="include must be a list of names"):
        LocalCode("package")
    with pytest.raises(TypeError, match="exclude must be a list of names"):
        LocalCode(exclude="package")


def test_too_much_is_refused_by_name_until_it_is_excluded(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_set, "LIMIT", 1000)
    monkeypatch.setattr(code_set, "FILES_LIMIT", 3)
    write_files(own, {"bulky_g/__init__.py": "", "bulky_g/big.bin": "x" * 2000, "small_g.py": ""})
    code = LocalCode()
    with pytest.raises(NotPicklableError, match=r"largest files are bulky_g/big\.bin"):
        code.now({"bulky_g"})
    assert paths(code.now({"small_g"})) == ["small_g.py"]
    write_files(own, {f"many_g/{n}.py": "" for n in range(5)})
    with pytest.raises(NotPicklableError, match=r"more than 3 files, many of them in many_g"):
        code.now({"many_g"})


def test_a_large_set_is_not_looked_at_for_every_call(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(own, {"large_h/__init__.py": ""} | {f"large_h/{n}.py": "" for n in range(70)})
    monkeypatch.setattr(code_set, "_LOOK_S", 3600)
    code = LocalCode()
    first = code.now({"large_h"})
    (own / "large_h/0.py").write_text("edited")
    assert code.now({"large_h"}) is first
    monkeypatch.setattr(code_set, "_LOOK_S", 0)
    assert code.now({"large_h"}) is not first


def test_a_loaded_module_that_was_gone_for_a_moment_is_still_the_callers(own: Path) -> None:
    write_files(own, {"flies_off.py": "import comes_back\n", "comes_back.py": ""})
    importlib.import_module("flies_off")
    code = LocalCode()
    for is_there in (True, False, True):
        (own / "comes_back.py").unlink(missing_ok=True)
        if is_there:
            write_files(own, {"comes_back.py": ""})
        found = code.now(["flies_off"])
        assert found is not None
        assert ("comes_back.py" in found.files) is is_there


def test_a_link_that_leads_to_itself_is_named(own: Path) -> None:
    write_files(own, {"knotted/__init__.py": ""})
    (own / "knotted" / "loop").symlink_to("loop")
    with pytest.raises(NotPicklableError, match=r"^knotted/loop cannot be sent .*exclude="):
        LocalCode().now(["knotted"])
