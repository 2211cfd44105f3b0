"""`fairlead tasks kill`, for what the master does not list: the line that is printed is true."""

from dataclasses import replace

import pytest
from tests.support.states import framework, state, task

from fairlead.cli.client import Client
from fairlead.cli.tasks import _kill
from fairlead.common.errors import FairleadError, InvalidFieldError, NotFoundError
from fairlead.common.operators import CommandWithdrawn, StateReply, WithdrawCommand
from fairlead.common.values import TaskState


class Scripted(Client):
    """Answers as the framework of detached commands would; nobody is dialled."""

    def __init__(self, answer: CommandWithdrawn | FairleadError) -> None:
        self._answer = answer
        self.withdrawn: list[str] = []

    def ask(self, _address: str, _method: object, request: object, *_: object) -> CommandWithdrawn:  # type: ignore[override]
        assert isinstance(request, WithdrawCommand)
        self.withdrawn.append(request.task_id)
        if isinstance(self._answer, FairleadError):
            raise self._answer
        return self._answer


UNKNOWN = InvalidFieldError("task_id", "no such command")


def cluster(*tasks: object) -> StateReply:
    commands = framework("commands")
    info = replace(commands.framework, address="127.0.0.1:9")
    return state(replace(commands, framework=info), *tasks)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("was_waiting", "line"),
    [(True, "a had not started yet, and will not\n"), (False, "a is being ended\n")],
)
def test_a_command_that_the_master_does_not_list_yet(
    capsys: pytest.CaptureFixture[str], *, was_waiting: bool, line: str
) -> None:
    _kill(Scripted(CommandWithdrawn(was_waiting)), cluster(), "a", None)
    assert capsys.readouterr().out == line


def test_what_nobody_knows_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        _kill(Scripted(UNKNOWN), cluster(), "a", None)


def test_a_dropped_launch_is_not_the_end_of_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    dropped = cluster(task("abc", TaskState.DROPPED))
    client = Scripted(CommandWithdrawn(was_waiting=True))
    _kill(client, dropped, "ab", None)
    assert client.withdrawn == ["abc"]
    assert capsys.readouterr().out == "abc had not started yet, and will not\n"
    _kill(Scripted(UNKNOWN), dropped, "abc", None)
    assert capsys.readouterr().out == "abc has ended already: DROPPED\n"
