"""One running copy of a job, as its program sees it between two steps: progress, checkpoints, rest.

The hook looks at `due_at` after each step, which costs next to nothing, and calls `attend` then.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from .checkpoints import Checkpoints, DamagedError
from .devices import Devices
from .job_files import (
    PROGRESS,
    RESULT,
    SAVED,
    SUPERSEDED,
    UNREADABLE,
    JobFiles,
    SupersededError,
)
from .wishes import Wishes

CHECKPOINT_EVERY_S = 60.0
"""Unless anybody says otherwise."""
LOOK_S = 0.5
"""How often progress is told; less often where the disk is slow:"""
LOOK_SHARE = 1 / 3000
"""of the time, at most, goes to telling it,"""
LATEST_LOOK_S = 10.0
"""but so often it is told anyway."""
POLL_S = 0.003
"""How often a program at rest looks whether it may go on."""
AT_REST = "at-rest"
"""Made in the sandbox by the program at rest, taken away by the agent when it may go on."""
SMOOTHING = 0.3
"""Weight of the latest look in the rate that is told."""

_begun: set[tuple[str, str]] = set()
"""The copies that this process has been; one, but for tests."""


class Program(Protocol):
    """What a copy is a copy of."""

    step: int

    def take(self) -> dict[str, Any]:
        """All that the next copy will need."""
        ...

    def describe(self) -> dict[str, object]:
        """How far it is, for people."""
        ...


def copy_of(
    program: Program, checkpoint_every_s: float | None, environment: Mapping[str, str]
) -> "JobCopy | None":
    """None for a program that is not run as a job. What the program says of checkpoints goes before
    what the framework says.
    """
    directory = environment.get("FAIRLEAD_JOB_DIR")
    if not directory:
        return None
    copy = (directory, environment.get("FAIRLEAD_JOB_RUN", ""))
    if copy in _begun:
        raise RuntimeError(
            "this job has gone through steps() already, and would go on from there: it can have one"
            " such loop; iterate over whatever else you read, such as test data, without steps()"
        )
    _begun.add(copy)
    with _ending_well():
        files = JobFiles(Path(directory), int(environment.get("FAIRLEAD_JOB_RUN") or 0))
        sandbox = Path(environment.get("FAIRLEAD_SANDBOX") or directory)
        asked = environment.get("FAIRLEAD_JOB_CHECKPOINT_S") or CHECKPOINT_EVERY_S
        every_s = checkpoint_every_s or float(asked)
        return JobCopy(program, files, sandbox, Devices(environment), every_s)


class JobCopy:
    """Used by one thread, the main one."""

    def __init__(
        self,
        program: Program,
        files: JobFiles,
        sandbox: Path,
        devices: Devices,
        checkpoint_every_s: float,
    ) -> None:
        self._program = program
        self._files = files
        self._checkpoints = Checkpoints(files)
        self._at_rest = sandbox / AT_REST
        self._devices = devices
        self._every_s = checkpoint_every_s
        self._wishes = Wishes(self._hurry)
        self._checkpoint_step = 0
        self._switch_s = 0.0
        self._rate = 0.0
        self._looked = (0.0, 0)  # when it was looked last, and at which step
        self._began = self._save_at = time.monotonic()
        self.due_at = 0.0
        """When there is something to attend to."""
        self._trouble = ""

    def begin(self) -> dict[str, Any] | None:
        """What a former copy took, or None; from now on that one may not write any more."""
        self._wishes.listen()
        with _ending_well():
            self._files.claim()
            told = self._files.told(PROGRESS).get("checkpoint_step")
            self._checkpoint_step = told if isinstance(told, int) else 0
            self._tell()  # the first sign of a program that calls the hook
            saved = self._load()
        self._checkpoint_step = saved["step"] if saved else 0
        self._switch_s = saved["switch_s"] if saved else 0.0
        return saved

    def go_on(self) -> None:
        """The program is where it was when that was taken, or at its beginning."""
        self._devices.take()
        now = time.monotonic()
        if self._program.step:
            self._switch_s += now - self._began
            say(f"copy {self._files.run} goes on after step {self._program.step}")
        self._looked = (now, self._program.step)
        self._save_at = now + self._every_s
        self.attend()

    def attend(self) -> None:
        """Do what is wished, and what it is time for. SystemExit if this copy ends here."""
        with _ending_well():
            self._files.check()
            if self._wishes.is_rest and not self._wishes.is_end:
                self._rest()
            if self._wishes.is_end:
                self._end()
            if time.monotonic() >= self._save_at:
                self._save()
            self._look()

    def end_if_wished(self) -> None:
        """There is no next batch any more. SystemExit if this copy ends here."""
        if self._wishes.is_end:
            self.attend()

    def finish(self) -> None:
        """All steps are done: a copy that is started after this one has nothing to repeat."""
        with _ending_well():
            self._files.check()
            self._save(is_last=True)
            self._look()
            self._tell(RESULT)
        self._wishes.close()

    def say_more(self) -> None:
        """The program has reported something after its last step."""
        with _ending_well():
            self._files.check()
            self._tell()
            self._tell(RESULT)

    def close(self) -> None:
        """There will be no further step."""
        self._wishes.close()

    def _load(self) -> dict[str, Any] | None:
        try:
            saved = self._checkpoints.load(self._warn)
        except DamagedError as error:
            reason = str(error)
        else:
            if saved is not None or not self._checkpoint_step:
                return saved
            reason = f"the checkpoint of step {self._checkpoint_step} is gone"
        say(
            f"cannot go on: {reason} in {self._files.directory}; submit the job again to train"
            " from the start"
        )
        raise SystemExit(UNREADABLE)

    def _save(self, *, is_last: bool = False) -> None:
        """Not twice at one step, unless the last, for a program may do more after that. If it
        cannot be, training goes on, and it is tried again.
        """
        self._save_at = time.monotonic() + self._every_s
        step = self._program.step
        if step == self._checkpoint_step and not is_last:
            return
        try:
            taken = {**self._program.take(), "step": step, "switch_s": self._switch_s}
            self._checkpoints.save(step, taken)
        except OSError as error:
            self._warn(
                f"cannot save: {error.strerror or error}; training goes on from memory, and saving"
                f" is tried again every {self._every_s:g} s"
            )
        else:
            self._checkpoint_step = step
            self._trouble = ""

    def _end(self) -> None:
        self._save()
        self._look()
        say(f"ends, to be started again after step {self._checkpoint_step}")
        raise SystemExit(SAVED)

    def _rest(self) -> None:
        """Give up the devices until the agent takes away the file that says so."""
        began = time.monotonic()
        self._wishes.is_rest = False
        self._save()
        self._look()  # what was reported may still be on a device
        self._devices.leave()
        came_to_rest = time.monotonic()
        self._switch_s += came_to_rest - began
        self._tell()
        self._wait()
        went_on = time.monotonic()
        self._files.check()
        self._come_back()
        now = time.monotonic()
        self._switch_s += now - went_on
        passed = now - began  # without steps
        self._looked = (self._looked[0] + passed, self._looked[1])
        self._save_at += passed

    def _come_back(self) -> None:
        """If others hold the device's memory now, another copy goes on elsewhere."""
        try:
            self._devices.come_back()
        except RuntimeError as error:
            if self._checkpoint_step != self._program.step:
                raise
            reason = " ".join(str(error).split())
            say(f"ends, to be started again: the device's memory cannot be had back: {reason}")
            raise SystemExit(SAVED) from None

    def _wait(self) -> None:
        try:
            self._at_rest.touch()
        except OSError as error:
            self._warn(f"cannot come to rest: {error}")
            return
        while self._at_rest.exists() and not self._wishes.is_end:
            time.sleep(POLL_S)

    def _look(self) -> None:
        """Tell how far it is, and how fast it was since it was told last."""
        now = time.monotonic()
        since, step = self._looked
        if self._program.step > step and now > since:
            rate = (self._program.step - step) / (now - since)
            self._rate += (rate - self._rate) * (SMOOTHING if self._rate else 1.0)
            self._looked = (now, self._program.step)
        self._tell()
        took = time.monotonic() - now
        pause = min(max(LOOK_S, took / LOOK_SHARE), LATEST_LOOK_S)
        self.due_at = min(now + pause, self._save_at)
        if self._wishes.is_rest or self._wishes.is_end:
            self._hurry()  # it was wished meanwhile

    def _hurry(self) -> None:
        self.due_at = 0.0

    def _tell(self, name: str = PROGRESS) -> None:
        try:
            self._files.tell(name, self._said(), is_durable=name == RESULT)
        except OSError as error:
            self._warn(f"cannot tell how far it is: {error.strerror or error}")

    def _said(self) -> dict[str, object]:
        return {
            "run": self._files.run,
            **self._program.describe(),
            "rate": round(self._rate, 3),
            "gpu_memory_bytes": self._devices.peak_memory_bytes(),
            "switch_s": round(self._switch_s, 4),
            "wall_time": time.time(),
            "checkpoint_step": self._checkpoint_step,
            "trouble": self._trouble,
        }

    def _warn(self, text: str) -> None:
        """Once, while it is the same trouble."""
        if text != self._trouble:
            say(text)
        self._trouble = text


@contextmanager
def _ending_well() -> Iterator[None]:
    """What ends this copy does so in a line."""
    try:
        yield
    except SupersededError as error:
        say(str(error))
        raise SystemExit(SUPERSEDED) from None
    except OSError as error:
        say(f"cannot go on without the job's directory: {error}")
        raise SystemExit(1) from None


def say(text: str) -> None:
    """In the program's log, beside what it prints itself."""
    sys.stderr.write(f"fairlead: {text}\n")
    sys.stderr.flush()
