"""The directories in which tasks run: one for each launch, inside the agent's, nowhere else.

A sandbox is named by its task's key, `FRAMEWORK/TASK/LAUNCH`. A task may have put anything in the
place of anything: every way into a sandbox is walked by descriptors, and follows no link.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from fairlead.common.errors import ContainerError

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
"""Finds what is there without opening it."""
REMOVED = ".removed"
"""Beside the frameworks: what is being removed is moved there first. No framework is called so."""


def check_inside(root: Path, sandbox: Path) -> None:
    """ContainerError if the path would leave the root, through a link for instance."""
    try:
        is_inside = sandbox != root and sandbox.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError) as error:  # links in a circle: a task of the same user made them
        raise ContainerError(f"the sandbox {sandbox} cannot be looked at: {error}") from None
    if not is_inside:
        raise ContainerError(f"the sandbox {sandbox} lies outside of {root}")


def list_sandboxes(root: Path) -> list[str]:
    """The keys of all that are there."""
    return [
        f"{framework}/{task}/{launch}"
        for framework in names_in(root, "")
        if framework != REMOVED
        for task in names_in(root, framework)
        for launch in names_in(root, f"{framework}/{task}")
    ]


def names_in(root: Path, path: str) -> list[str]:
    """What lies in a directory below the root; nothing if there is none."""
    with (
        contextlib.suppress(OSError),
        opened(root, path) as directory,
        os.scandir(directory) as all_,
    ):
        return [entry.name for entry in all_]
    return []


@contextlib.contextmanager
def opened(root: Path, path: str) -> Iterator[int]:
    """A directory below the root, and closed afterwards."""
    descriptor = open_directory(root, path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_directory(root: Path, path: str) -> int:
    """A directory below the root, through directories alone; OSError if there is none."""
    descriptor = os.open(root, _DIRECTORY & ~os.O_NOFOLLOW)  # where it lies is the owner's choice
    for name in path.split("/") if path else ():
        try:
            if name in ("", ".", ".."):
                raise FileNotFoundError(f"{path!r} is no way down")
            below = os.open(name, _DIRECTORY, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor


def open_plain(root: Path, key: str, name: str, flags: int) -> int:
    """A plain file in a sandbox, that has no other name; OSError if there is none.

    Nothing else is ever opened, not even for a moment: opening a device may do something.
    """
    directory = open_directory(root, key)
    try:
        found = os.open(name, LOOK, dir_fd=directory)
    finally:
        os.close(directory)
    try:
        status = os.fstat(found)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{name} is not a plain file")
        if status.st_nlink > 1:
            raise OSError(f"{name} has another name elsewhere")
        return os.open(f"/proc/self/fd/{found}", flags | os.O_NONBLOCK | os.O_CLOEXEC)
    finally:
        os.close(found)
