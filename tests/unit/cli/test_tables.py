"""Tables: aligned in a pipe, rich on a terminal, never a way to drive one."""

import io
import time

import pytest
from tests.support.states import agent, framework, state, task

from fairlead.cli import tables, views
from fairlead.common.values import TaskState


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_into_a_pipe_it_is_plain_aligned_text() -> None:
    columns = (
        tables.Column("NAME", tables.field("name")),
        tables.Column("N", tables.field("n"), is_number=True),
    )
    out = io.StringIO()
    tables.print_table(columns, [{"name": "long-name", "n": 7}, {"name": "b", "n": 100}], "", out)
    assert out.getvalue() == "NAME         N\nlong-name    7\nb          100\n"


def test_nothing_to_show_is_said_beside_the_data(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    tables.print_table(tables.TASKS, [], "no tasks", out)
    assert out.getvalue() == ""
    assert capsys.readouterr().err == "no tasks\n"


def test_every_table_has_a_cell_for_every_row() -> None:
    cluster = state(agent("a1"), framework("f"), task("t", TaskState.FAILED, exit_code=7))
    for columns, rows in (
        (tables.AGENTS, views.agents(cluster, gone=False)),
        (tables.FRAMEWORKS, views.frameworks(cluster, ended=True)),
        (tables.TASKS, views.tasks(cluster, ended=True)),
    ):
        out = io.StringIO()
        tables.print_table(columns, rows, "", out)
        assert len(out.getvalue().splitlines()) == 2


def test_how_a_task_ended() -> None:
    assert tables.ending({"exit_code": 0, "signal": None}) == "0"
    assert tables.ending({"exit_code": None, "signal": 9}) == "signal 9"
    assert tables.ending({"exit_code": None, "signal": None}) == ""


def test_control_characters_are_shown_not_sent() -> None:
    evil = "a\x1b[2Jb\nc"
    assert tables.visible(evil) == "a\\x1b[2Jb\\nc"
    for out in (io.StringIO(), Terminal()):
        tables.print_table((tables.Column("X", tables.field("x")),), [{"x": evil}], "", out)
        assert "\x1b[2J" not in out.getvalue()


def test_one_object_is_shown_as_people_write(capsys: pytest.CaptureFixture[str]) -> None:
    here = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(1.5))
    tables.print_fields(
        {
            "job_id": "a\n",
            "message": "",
            "agent": None,
            "mem_bytes": 128 * 2**20,
            "steps_per_s": 12.3456,
            "steps": 9,
            "gpu_time_s": 9.3400001,
            "metrics": {"accuracy": 0.97512, "loss": None},
            "gpu_ids": ["fake-0", "fake-1"],
            "labels": {},
            "argv": ["python", "my script.py"],
            "submitted_at": 1.5,
        }
    )
    assert (
        capsys.readouterr().out
        == f"""\
job_id       a\\n
mem          128 MiB
steps_per_s  12.35
steps        9
gpu_time     9.34 s
metrics      accuracy 0.9751
gpu_ids      fake-0, fake-1
command      python 'my script.py'
submitted    {here}
"""
    )


def test_on_a_terminal_it_is_coloured_unless_asked_not_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    columns, rows = (tables.Column("STATE", tables.field("s")),), [{"s": "FAILED"}]
    coloured, plain = Terminal(), Terminal()
    tables.print_table(columns, rows, "", coloured)
    monkeypatch.setenv("NO_COLOR", "1")
    tables.print_table(columns, rows, "", plain)
    assert "\x1b[31m" in coloured.getvalue()
    assert "\x1b[31m" not in plain.getvalue()
    assert "FAILED" in plain.getvalue()


def test_a_narrow_terminal_cuts_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    long = task("a-very-long-task-id-that-is-worth-copying", message="m" * 200)
    out = Terminal()
    rows = views.tasks(state(agent("a1"), framework("f"), long), ended=True)
    tables.print_table(tables.TASKS, rows, "", out)
    assert "a-very-long-task-id-that-is-worth-copying" in out.getvalue()
    assert "RUNNING" in out.getvalue()
