"""The directories of jobs, one for each, on storage that the agents share: made at submission,
removed by whoever wants the checkpoints no more.
"""

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
    return InvalidFieldError("checkpoints", f"cannot make {error.filename}: {error.strerror}")


def remove_if_empty(directory: Path) -> None:
    """Unless somebody has put something there."""
    with suppress(OSError):
        directory.rmdir()


def gone(directories: Mapping[str, str]) -> tuple[str, ...]:
    """The jobs whose directories were removed; storage that is not mounted now is not gone."""
    paths = {job_id: Path(directory) for job_id, directory in directories.items()}
    return tuple(
        job_id
        for job_id, path in paths.items()
        if path.parent.is_dir() and not (path.is_symlink() or path.exists())
    )
