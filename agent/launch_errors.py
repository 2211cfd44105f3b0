"""Why a task could not be started, said so that its user knows what to do about it."""

import errno
import shutil

from fairlead.common.sizes import shorten

from .containerizer import LaunchSpec

_NAME_LENGTH = 200


def explain(spec: LaunchSpec, step: str, number: int, reason: str) -> str:
    """From the step at which the launcher's child failed, and the system's error number."""
    if step == "exec":
        return _explain_exec(spec, number, reason)
    if step in {"cwd", "stdout", "stderr"}:
        where = spec.sandbox if step == "cwd" else spec.sandbox / step
        return f"cannot use {where}: {reason}"
    if step == "cgroup":
        return f"cannot put it into a control group: {reason}"
    return f"cannot start a process ({step}): {reason}"


def _explain_exec(spec: LaunchSpec, number: int, reason: str) -> str:
    if not spec.argv:
        return "cannot run nothing: the command is empty"
    program = shorten(spec.argv[0], _NAME_LENGTH)
    if number == errno.ENOENT:
        return f"cannot run '{program}': {_what_is_missing(spec, spec.argv[0])}"
    if number == errno.EACCES:
        return f"cannot run '{program}': permission denied; make it executable with chmod +x"
    if number == errno.ENOEXEC:
        return f"cannot run '{program}': neither a program for this machine nor a #! script"
    if number == errno.E2BIG:
        return f"cannot run '{program}': its arguments and environment are too long; use files"
    return f"cannot run '{program}': {reason}"


def _what_is_missing(spec: LaunchSpec, program: str) -> str:
    """The kernel says ENOENT for a script whose interpreter does not exist, too."""
    if "/" not in program:
        is_there = shutil.which(program, path=spec.env.get("PATH")) is not None
        return "its interpreter does not exist" if is_there else "no such file in PATH"
    is_there = (spec.sandbox / program).is_file()
    return "its interpreter does not exist" if is_there else "no such file"
