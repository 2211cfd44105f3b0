"""Which word of a command is the script that travels, and what is refused at once."""

from pathlib import Path

import pytest

from fairlead.cli import scripts
from fairlead.cli.scripts import pack, script_index
from fairlead.common.errors import ConfigError


@pytest.mark.parametrize(
    ("command", "index"),
    [
        ("python train.py --epochs 3", 1),
        ("python3.11 -u train.py", 2),
        ("/usr/bin/python3 -X dev -W error train.py -c x", 5),
        ("python -Wdefault train.py", 2),
        ("sh run.sh", 1),
        ("train.py 3", 0),
        ("./here/train.py", 0),
        ("python -m package train.py", None),
        ("python -um package", None),
        ("python -c print() train.py", None),
        ("python -", None),
        ("bash -ec true", None),
        ("python", None),
        ("torchrun train.py", None),
    ],
)
def test_the_script_is_the_first_word_or_the_one_after_the_interpreter(
    command: str, index: int | None
) -> None:
    assert script_index(command.split()) == index


def test_the_script_travels_and_its_directory_is_named(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("print(1)")
    program = pack(["python", "-u", str(script), str(script)])
    assert program.argv == ("python", "-u", "train.py", str(script)), "an argument stays"
    assert program.files == {"train.py": b"print(1)"}
    assert program.directory == str(tmp_path)


def test_a_script_alone_gets_an_interpreter(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("")
    assert pack([str(tmp_path / "train.py"), "3"]).argv == ("python3", "train.py", "3")


def test_what_has_no_script_travels_alone() -> None:
    program = pack(["python", "-m", "package"])
    assert (program.argv, program.files, program.directory) == (("python", "-m", "package"), {}, "")


def test_more_files_travel_beside_it(tmp_path: Path) -> None:
    for name in ("train.py", "model.py"):
        (tmp_path / name).write_text(name)
    files = pack(["python", str(tmp_path / "train.py")], [str(tmp_path / "model.py")]).files
    assert files == {"train.py": b"train.py", "model.py": b"model.py"}


def test_a_script_that_is_not_there_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the script /no/such\.py: No such file"):
        pack(["python", "/no/such.py"])
    with pytest.raises(ConfigError, match=r"cannot read the script .*: Is a directory"):
        pack(["python", str(tmp_path)])
    with pytest.raises(ConfigError, match=r"cannot read the file /no/data: No such file"):
        pack(["python", "-m", "package"], ["/no/data"])


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "train.py").write_text("")
    (tmp_path / "other/train.py").write_text("")
    with pytest.raises(ConfigError, match=r"two files are called 'train\.py'"):
        pack(["python", str(tmp_path / "train.py")], [str(tmp_path / "other/train.py")])


def test_what_is_too_large_to_travel_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scripts, "MOST_BYTES", 10)
    (tmp_path / "train.py").write_text("x" * 6)
    (tmp_path / "data").write_text("x" * 5)
    with pytest.raises(ConfigError, match=r"the file .*/data is too large to travel: no more than"):
        pack(["python", str(tmp_path / "train.py")], [str(tmp_path / "data")])
