"""The jobs of the training framework as plain objects: what `-o json` prints, and their table.

The keys are a promise, listed in docs/cli.md; see `views`.
"""

from collections.abc import Mapping
from typing import Any

from fairlead.common.jobs import JobRun, JobState, JobView

from .tables import Cell, Column, field
from .views import Plain, quantities

Names = Mapping[Any, str]
"""Of agents, by their ids."""


def jobs(views: tuple[JobView, ...], names: Names, *, ended: bool) -> list[Plain]:
    """Those that have not ended, or all that are remembered; in the order of their submission."""
    return [job(view, names) for view in views if ended or not view.state.is_terminal]


def job(view: JobView, names: Names) -> Plain:
    """What a list says of a job."""
    said = view.progress
    return {
        "job_id": view.job_id,
        "name": view.name,
        "state": view.state.name,
        "message": view.message or said.trouble,
        **quantities(view.resources),
        "step": said.step,
        "steps": said.steps or None,
        "epoch": said.epoch,
        "loss": said.loss,
        "metrics": dict(said.metrics),
        "steps_per_s": said.rate or None,
        "gpu_mem_bytes": said.gpu_memory_bytes,
        "switch_s": said.switch_s,
        "checkpoint_step": said.checkpoint_step or None,
        "slices": view.slices,
        "gpu_time_s": view.gpu_time_s,
        "migrations": view.migrations,
        "weight": view.weight,
        "priority": view.priority,
        "run": view.run,
        "task_id": view.task_id or None,
        "agent_id": view.agent_id or None,
        "agent": names.get(view.agent_id),
        "gpu_ids": list(view.gpu_ids),
        "submitted_at": view.submitted_at or None,
        "ended_at": view.ended_at or None,
    }


def whole_job(view: JobView, names: Names) -> Plain:
    """All that is known about a job."""
    return {
        **job(view, names),
        "argv": list(view.command.argv),
        "directory": view.directory,
        "runs": [_run(run, names) for run in view.runs],
    }


def why(view: JobView) -> Plain:
    """What was decided about a job, and what it waits for."""
    return {
        "job_id": view.job_id,
        "name": view.name,
        "state": view.state.name,
        "message": view.message,
        "decisions": [{"at": each.at, "text": each.text} for each in view.decisions],
    }


def _run(run: JobRun, names: Names) -> Plain:
    return {
        "run": run.run,
        "task_id": run.task_id,
        "agent_id": run.agent_id,
        "agent": names.get(run.agent_id),
        "gpu_ids": list(run.gpu_ids),
        "first_step": run.first_step,
        "began_at": run.began_at or None,
        "ended_at": run.ended_at or None,
        "ending": run.ending,
    }


# --- the table


def progress(row: Mapping[str, Any]) -> str:
    """`1200/6000 20%`, or the step alone where nobody knows how many there are."""
    if not row["steps"]:
        return str(row["step"])
    return f"{row['step']}/{row['steps']} {100 * row['step'] / row['steps']:.0f}%"


def placement(row: Mapping[str, Any]) -> str:
    """`a1:fake-0`; of a job that has a place."""
    if not row["agent_id"] or row["state"] in _NOWHERE:
        return ""
    agent = row["agent"] or row["agent_id"]
    return f"{agent}:{','.join(row['gpu_ids'])}" if row["gpu_ids"] else agent


_NOWHERE = {state.name for state in JobState if state.is_terminal} | {JobState.QUEUED.name}


def _figure(key: str) -> Cell:
    return lambda row: "" if row[key] is None else f"{row[key]:.4g}"


JOBS = (
    Column("JOB", field("job_id")),
    Column("NAME", field("name")),
    Column("STATE", field("state")),
    Column("GPUS", field("gpus"), is_number=True),
    Column("PROGRESS", progress, is_number=True),
    Column("STEPS/S", _figure("steps_per_s"), is_number=True),
    Column("LOSS", _figure("loss"), is_number=True),
    Column("SLICES", field("slices"), is_number=True),
    Column("PLACEMENT", placement),
    Column("WEIGHT", lambda row: f"{row['weight']:g}", is_number=True),
    Column("PRIORITY", field("priority"), is_number=True),
    Column("MESSAGE", field("message"), may_wrap=True),
)
