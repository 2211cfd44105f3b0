"""`make demo`: a cluster in one command, shell tasks, a map_reduce over real files, training jobs
that share GPUs, and tidy up.

Everything is done as a person would: with the `fairlead` command and the example programs, in a
home of its own that is removed at the end.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FAIRLEAD = str(Path(sys.executable).with_name("fairlead"))
LIMIT_S = 240.0
TAIL = 2000
SLICE_S = "1.5"


class DemoFailedError(Exception):
    """A command did not do what it is shown for."""


def say(text: str) -> None:
    """What comes next."""
    print(f"\n\n# {text}", flush=True)


def show(*command: str, expect: int = 0) -> str:
    """Run a command before the reader's eyes; what it printed."""
    words = " ".join([Path(command[0]).name, *(quoted(word) for word in command[1:])])
    print(f"\n$ {words}", flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=LIMIT_S, check=False)
    print(done.stdout, end="", flush=True)
    if done.returncode:
        print(f"(it ended with exit code {done.returncode})", flush=True)
    if done.returncode != expect:
        raise DemoFailedError(f"{words} ended with {done.returncode}, not {expect}")
    return done.stdout


def quoted(word: str) -> str:
    """As a person would type it, from where we stand."""
    if word.startswith("/"):
        return os.path.relpath(word)
    return f"'{word}'" if any(c in word for c in " $;'\"") else word


def fairlead(*words: str, expect: int = 0) -> str:
    return show(FAIRLEAD, *words, expect=expect)


def story(identifiers: Sequence[str]) -> None:
    """What there is to see; the words are options of that example."""
    say("A cluster on this machine: one master, two agents that share it, GPUs to play with.")
    # A worker wants a cpu, and there is to be one beside the jobs, however small the machine.
    cpus = str(max(2, len(os.sched_getaffinity(0)) // 2))
    fairlead("up", "--detach", "--agents", "2", "--cpus", cpus, "--gpus", "fake:1")

    say("A program as a task: its output, its resources, its exit code.")
    fairlead("run", "--", "echo", "hello from a task")
    fairlead("run", "--gpus", "1", "--", "sh", "-c", "echo I may use GPU $FAIRLEAD_GPUS")
    fairlead("run", "--", "sh", "-c", "echo I fail; exit 7", expect=7)

    say("A task that is left to the cluster, looked at, and killed.")
    detached = ("run", "-d", "--name", "sleeper", "--", "sh", "-c", "echo good night; sleep 600")
    sleeper = fairlead(*detached).strip()
    fairlead("tasks", "list")
    fairlead("tasks", "logs", sleeper)
    fairlead("tasks", "kill", sleeper)

    ids = submit_jobs()

    say("Real work: an Executor counts the identifiers in Python's standard library, in parallel.")
    show(sys.executable, str(HERE / "identifiers.py"), *identifiers)

    follow_jobs(ids)

    say("What the cluster knows of all this: the workers of the Executor were tasks too.")
    fairlead("agents", "list")
    fairlead("frameworks", "list")
    fairlead("tasks", "list", "--all")


def submit_jobs() -> Sequence[str]:
    """Three for two devices; their ids."""
    say(f"Three training jobs share the two GPUs by slices of {SLICE_S} s, beside what follows.")
    train = (sys.executable, str(HERE / "train_digits.py"), "--pause", "6")
    small = ("--cpus", "0.2")
    return [
        fairlead("jobs", "submit", "--name", name, *small, "--", *train, "--seed", seed).strip()
        for name, seed in (("red", "1"), ("green", "2"), ("blue", "3"))
    ]


def follow_jobs(ids: Sequence[str]) -> None:
    """How they share, and what they have learnt."""
    say("The training jobs: their progress, their slices, and which device each has.")
    wait_until("each job has learnt something", lambda: all(job["step"] for job in jobs()))
    fairlead("jobs", "list", "--all")
    say("Waiting until all have ended ...")
    wait_until("the jobs have ended", lambda: all(job["ended_at"] for job in jobs()))
    fairlead("jobs", "list", "--all")
    fairlead("jobs", "why", "blue")
    for job_id in ids:
        if "accuracy: " not in fairlead("jobs", "logs", job_id):
            raise DemoFailedError(f"{job_id} has learnt nothing")


def jobs() -> Sequence[Mapping[str, Any]]:
    """All of them, as a program sees them."""
    listing = [FAIRLEAD, "jobs", "list", "--all", "-o", "json"]
    done = subprocess.run(listing, stdout=subprocess.PIPE, text=True, timeout=LIMIT_S, check=True)
    found: Sequence[Mapping[str, Any]] = json.loads(done.stdout)
    return found


def wait_until(what: str, is_so: Callable[[], bool]) -> None:
    """Not for ever."""
    deadline = time.monotonic() + LIMIT_S
    while not is_so():
        if time.monotonic() > deadline:
            raise DemoFailedError(f"waited {LIMIT_S:g} s until {what}")
        time.sleep(0.5)


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


def explain(trouble: str, home: str) -> None:
    """What a person needs who has to find out why."""
    print(f"\ndemo: {trouble}; the cluster's logs are:", file=sys.stderr)
    for log in sorted(Path(home, "logs").glob("*.log")):
        print(f"--- {log.name}\n{log.read_text(errors='replace')[-TAIL:]}", file=sys.stderr)


def play(home: str, identifiers: Sequence[str]) -> int:
    """The story and its end, whatever happens in between; the exit code."""
    code = 0
    try:
        story(identifiers)
    except (DemoFailedError, subprocess.SubprocessError) as error:
        explain(str(error), home)
        code = 1
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:  # whoever read this has gone, and the end is due all the same
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    try:
        say("The end: everything is stopped, and nothing is left behind.")
        fairlead("down")
    except (DemoFailedError, subprocess.SubprocessError) as error:
        explain(str(error), home)
        code = 1
    if remains := left_over(home):
        print("demo: still running:", *remains, sep="\n  ", file=sys.stderr)
        code = 1
    return code


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", help="count in no more than so many files")
    files = parser.parse_args().files
    started = time.monotonic()
    home = tempfile.mkdtemp(prefix="fairlead-demo-")
    os.environ["FAIRLEAD_HOME"] = home
    os.environ["FAIRLEAD_TRAINING_SLICE_S"] = SLICE_S
    os.environ.pop("FAIRLEAD_MASTER", None)
    code = play(home, ["--check", *(["--files", files] if files else [])])
    shutil.rmtree(home)
    if code == 0:
        print(f"\nThat was the demo; it took {time.monotonic() - started:.0f} s.")
    return code


if __name__ == "__main__":
    sys.exit(main())
