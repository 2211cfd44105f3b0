"""The directories in which tasks run: one for each launch, inside the agent's, nowhere else."""

import contextlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from fairlead.common.errors import ContainerError


def check_inside(root: Path, sandbox: Path) -> None:
    """ContainerError if the path would leave the root, through a link for instance."""
    if sandbox == root or not sandbox.resolve().is_relative_to(root.resolve()):
        raise ContainerError(f"the sandbox {sandbox} lies outside of {root}")


def list_sandboxes(root: Path) -> list[Path]:
    """All that are there: framework, task, launch."""
    return [path for path in root.glob("*/*/*") if path.is_dir() and not path.is_symlink()]


def remove_sandboxes(root: Path, unwanted: Iterable[Path], frameworks: Iterable[str]) -> int:
    """And the empty directories above, but for those of frameworks that may launch more."""
    kept = set(frameworks)
    count = 0
    for sandbox in unwanted:
        check_inside(root, sandbox)
        shutil.rmtree(sandbox, ignore_errors=True)
        count += 1
        with contextlib.suppress(OSError):  # not empty: other launches are in there
            sandbox.parent.rmdir()
            if sandbox.parent.parent.name not in kept:
                sandbox.parent.parent.rmdir()
    return count
