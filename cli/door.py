"""Where the `fairlead` command comes in: before anything is imported that takes its time.

Ctrl-C is quiet from here on, and standard streams that were closed lead nowhere, so that nothing
else is opened in their place.
"""

import gc
import os
import sys
from typing import NoReturn

INTERRUPTED = 130


def main() -> NoReturn:
    """The door: `fairlead …` and `python -m fairlead.cli`."""
    try:
        gc.disable()  # what is imported stays; `main` enables it when that is done
        _open_streams()
        from .main import main as enter

        enter()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    finally:
        gc.enable()


def _open_streams() -> None:
    """In their order: each takes the lowest descriptor that is free, which is its own."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - stays
