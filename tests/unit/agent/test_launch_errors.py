"""Why a task could not be started, in one line that can be shown."""

import errno
from pathlib import Path

from fairlead.agent.containerizer import LaunchSpec
from fairlead.agent.launch_errors import explain
from fairlead.common.ids import LaunchUuid


def why(program: str, number: int) -> str:
    spec = LaunchSpec(LaunchUuid("u"), (program,), {"PATH": "/bin"}, Path("/nowhere"))
    return explain(spec, "exec", number, "reason")


def test_the_name_of_a_program_is_shown_whole() -> None:
    name = "no-such-program" * 5
    assert why(name, errno.ENOENT) == f"cannot run '{name}': no such file in PATH"


def test_an_endless_name_is_cut() -> None:
    for number in (errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.E2BIG, errno.ENAMETOOLONG):
        message = why("x" * 65_530, number)
        assert message.startswith("cannot run 'xxx")
        assert len(message) < 300
