"""What is the caller's own, and where it lies."""

import sys
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.modules import imports_from, load, write_files

from fairlead.frameworks.batch.code_places import (
    Place,
    import_paths,
    is_known,
    places_of,
    places_of_path,
)
from fairlead.frameworks.batch.payloads import NotPicklableError


def test_imports_pass_over_odd_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setattr(sys, "path", ["", "here", b"/bytes", tmp_path, 5, "/there/./x"])
    assert import_paths() == ["/there/x"]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Path]:
    with imports_from(tmp_path):
        yield tmp_path


@pytest.mark.parametrize(
    "module",
    ["sys", "json", "_struct", "zipimport", "pytest", "cloudpickle", "fairlead", "grpc", ""],
)
def test_python_fairlead_and_what_is_installed_is_not_the_callers(module: str) -> None:
    assert places_of(module) == ()


def test_what_is_installed_travels_if_it_is_asked_for() -> None:
    assert [place.target for place in places_of("cloudpickle", even_installed=True)] == [
        "cloudpickle"
    ]
    assert places_of("json", even_installed=True) == ()


def test_modules_and_packages_loaded_or_not(own: Path) -> None:
    write_files(own, {"alone_a.py": "", "packed_a/__init__.py": "", "packed_a/x.py": ""})
    expected = {
        "alone_a": Place(str(own / "alone_a.py"), "alone_a.py"),
        "packed_a": Place(str(own / "packed_a"), "packed_a"),
    }
    assert {name: places_of(name) for name in expected} == {n: (p,) for n, p in expected.items()}
    for name in expected:
        load(name)
    assert {name: places_of(name) for name in expected} == {n: (p,) for n, p in expected.items()}


def test_a_module_that_does_not_exist(own: Path) -> None:
    assert not is_known("nowhere_at_all")
    assert places_of("nowhere_at_all") == ()
    sys.modules["by_hand_a"] = types.ModuleType("by_hand_a")
    assert places_of("by_hand_a") == ()
    write_files(own, {"by_hand_a.py": ""})
    assert places_of("by_hand_a") == (Place(str(own / "by_hand_a.py"), "by_hand_a.py"),)


def test_a_namespace_has_several_places_of_which_the_installed_ones_stay(own: Path) -> None:
    parts = [own / "one", own / "two", own / "site-packages"]
    for part in parts:
        write_files(part, {f"spread_a/{part.name[:3]}.py": ""})
    with imports_from(parts[0]), imports_from(parts[1]), imports_from(parts[2]):
        load("spread_a.two")
        assert {place.source for place in places_of("spread_a")} == {
            str(part / "spread_a") for part in parts[:2]
        }


def test_a_directory_of_data_is_no_namespace_unless_it_was_imported(own: Path) -> None:
    write_files(own, {"data_a/big.csv": "", "code_a/deep/x.py": ""})
    assert places_of("data_a") == ()
    assert places_of("code_a") == (Place(str(own / "code_a"), "code_a"),)
    load("data_a")
    assert places_of("data_a") == (Place(str(own / "data_a"), "data_a"),)


def test_an_editable_install_under_another_name_is_the_callers(own: Path) -> None:
    write_files(own, {"lib/__init__.py": "", "lib/part.py": ""})
    spec = load("lib").__spec__
    assert spec is not None
    module = types.ModuleType("renamed_a")
    module.__spec__ = spec
    sys.modules["renamed_a"] = module
    assert places_of("renamed_a") == (Place(str(own / "lib"), "renamed_a"),)


def test_an_archive_is_refused(own: Path) -> None:
    archive = own / "bundle.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped_a.py", "")
    with imports_from(archive):
        load("zipped_a")
        with pytest.raises(NotPicklableError, match=r"bundle\.zip; unpack that, or leave"):
            places_of("zipped_a")


def test_what_is_included_keeps_its_place_below_where_imports_start(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert places_of_path(own / "a" / "b.txt") == Place(str(own / "a/b.txt"), "a/b.txt")
    assert places_of_path(own) == Place(str(own), "")
    monkeypatch.chdir(own.parent)
    assert places_of_path(Path("else/c.txt")).target == "else/c.txt"
    assert places_of_path(Path("/elsewhere/d.txt")) == Place("/elsewhere/d.txt", "d.txt")
