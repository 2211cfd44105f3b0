"""The end of what a lease wrote, and nothing of what was there before."""

from pathlib import Path

from fairlead.frameworks.batch.last_words import LINES, last_words, sizes


def test_only_what_was_written_since(tmp_path: Path) -> None:
    (tmp_path / "stdout").write_text("of another lease\n")
    before = sizes(tmp_path)
    assert last_words(tmp_path, before) == ""
    with (tmp_path / "stdout").open("a") as stdout:
        stdout.write("out\n")
    (tmp_path / "stderr").write_bytes(b"one\ntwo \xff")
    assert last_words(tmp_path, before) == "  stdout: out\n  stderr: one\n  stderr: two \ufffd"


def test_no_more_than_the_last_lines(tmp_path: Path) -> None:
    before = sizes(tmp_path)
    (tmp_path / "stderr").write_text("".join(f"line {n}\n" for n in range(100_000)))
    lines = last_words(tmp_path, before).splitlines()
    assert len(lines) == LINES
    assert lines[-1] == "  stderr: line 99999"


def test_a_log_that_was_rotated_is_read_from_its_beginning(tmp_path: Path) -> None:
    (tmp_path / "stdout").write_text("long ago " * 100)
    before = sizes(tmp_path)
    (tmp_path / "stdout").write_text("new\n")
    assert last_words(tmp_path, before) == "  stdout: new"


def test_the_end_of_our_own_stack_hides_no_other_line(tmp_path: Path) -> None:
    before = sizes(tmp_path)
    ours = '  File "/x/frameworks/batch/lease.py", line 117 in _run\n'
    (tmp_path / "stderr").write_text('Fatal\n\n  File "mine.py", line 1 in f\n' + ours * LINES)
    assert last_words(tmp_path, before).splitlines() == [
        "  stderr: Fatal",
        '  stderr:   File "mine.py", line 1 in f',
    ]
