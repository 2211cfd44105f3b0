"""The directories of jobs, one for each, on storage that the agents share: made at submission,
removed by whoever wants the checkpoints no more.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from fairlead.common.errors import InvalidFieldError


def make_directory(directory: Path) -> bool:
    """Whether it was not there yet; InvalidFieldError if it cannot be made."""
    try:
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700)
    except FileExistsError as error:
        if directory.is_dir():
            return False
        raise _refused(error) from None
    except OSError as error:
        raise _refused(error) from None
    return True


def _refused(error: OSError) -> InvalidFieldError:
    why = f"cannot make {error.filename}: {error.strerror}; name another with --checkpoints"
    return InvalidFieldError("checkpoints", why)


def remove_if_empty(directory: Path) -> None:
    """Unless somebody has put something there."""
    with suppress(OSError):
        directory.rmdir()


def gone(directories: Mapping[str, str]) -> tuple[str, ...]:
    """The jobs whose directories were removed; storage that is not mounted now, or cannot be looked
    at, is not gone.
    """
    return tuple(job_id for job_id, directory in directories.items() if _is_gone(directory))


def _is_gone(directory: str) -> bool:
    try:
        os.lstat(directory)
    except FileNotFoundError:
        return os.path.isdir(os.path.dirname(directory))  # noqa: PTH112, PTH120 (Path's may raise)
    except (OSError, ValueError):
        return False
    return False
