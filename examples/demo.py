"""`make demo`: a cluster in one command, shell tasks, a map_reduce over real files, and tidy up.

Everything is done as a person would: with the `fairlead` command and the example programs, in a
home of its own that is removed at the end.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
FAIRLEAD = str(Path(sys.executable).with_name("fairlead"))
LIMIT_S = 240.0


class DemoFailedError(Exception):
    """A command did not do what it is shown for."""


def show(*command: str, expect: int = 0) -> None:
    """Run a command before the reader's eyes."""
    words = [Path(command[0]).name, *(quoted(word) for word in command[1:])]
    print(f"\n$ {' '.join(words)}", flush=True)
    code = subprocess.run(command, timeout=LIMIT_S, check=False).returncode
    if code != expect:
        raise DemoFailedError(f"{' '.join(words)} ended with {code}, not {expect}")


def quoted(word: str) -> str:
    """As a person would type it."""
    return f"'{word}'" if any(c in word for c in " $;'\"") else word


def fairlead(*words: str, expect: int = 0) -> None:
    show(FAIRLEAD, *words, expect=expect)


def story() -> None:
    """What there is to see."""
    fairlead("up", "--detach", "--agents", "2", "--gpus", "fake:2")
    fairlead("run", "--", "echo", "hello from a task")
    fairlead("run", "--gpus", "1", "--", "sh", "-c", "echo I may use $FAIRLEAD_GPUS")
    fairlead("run", "--", "sh", "-c", "echo and I fail; exit 7", expect=7)
    fairlead("run", "-d", "--name", "sleeper", "--", "sleep", "600")
    show(sys.executable, str(HERE / "identifiers.py"), "--check")
    fairlead("agents", "list")
    fairlead("frameworks", "list")
    fairlead("tasks", "list", "--all")


def left_over(home: str) -> Sequence[str]:
    """Processes that still work in the home; there should be none."""
    mine = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if entry.name.isdigit() and home in line and int(entry.name) != os.getpid():
            mine.append(f"{entry.name} {line}")
    return mine


def main() -> int:
    started = time.monotonic()
    home = tempfile.mkdtemp(prefix="fairlead-demo-")
    os.environ["FAIRLEAD_HOME"] = home
    os.environ.pop("FAIRLEAD_MASTER", None)
    code = 0
    try:
        story()
    except (DemoFailedError, subprocess.TimeoutExpired) as error:
        print(f"demo: {error}; the cluster's logs are:", file=sys.stderr)
        for log in sorted(Path(home, "logs").glob("*.log")):
            print(f"--- {log.name}\n{log.read_text(errors='replace')[-2000:]}", file=sys.stderr)
        code = 1
    finally:
        fairlead("down")
    if remains := left_over(home):
        print("demo: still running:", *remains, sep="\n  ", file=sys.stderr)
        code = 1
    shutil.rmtree(home)
    if code == 0:
        print(f"\nThat was the demo; it took {time.monotonic() - started:.0f} s and left nothing.")
    return code


if __name__ == "__main__":
    sys.exit(main())
