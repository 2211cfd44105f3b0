"""Which job a person means, and what a row of the table says of it."""

from dataclasses import replace

import pytest

from fairlead.cli.job_views import job, jobs, placement, progress
from fairlead.cli.jobs import find_job
from fairlead.common.errors import ConfigError, NotFoundError
from fairlead.common.ids import AgentId
from fairlead.common.jobs import JobProgress, JobState, JobView

ONE = JobView("train-1a", "train", JobState.RUNNING)
TWO = JobView("train-1b", "train", JobState.QUEUED)
OTHER = JobView("digits-7", "digits", JobState.FINISHED)
ALL = (ONE, TWO, OTHER)


@pytest.mark.parametrize(
    ("name", "found"),
    [("train-1a", ONE), ("digits", OTHER), ("d", OTHER), ("train-1b", TWO)],
)
def test_a_job_is_named_by_its_id_its_name_or_the_beginning(name: str, found: JobView) -> None:
    assert find_job(ALL, name) == found


def test_a_name_of_none_or_of_several_is_refused() -> None:
    with pytest.raises(NotFoundError, match="there is no job 'x'"):
        find_job(ALL, "x")
    with pytest.raises(NotFoundError):
        find_job(ALL, "")
    with pytest.raises(ConfigError, match="'train' may be any of 2 jobs: train-1a, train-1b"):
        find_job(ALL, "train")


def test_those_that_ended_are_listed_if_asked_for() -> None:
    assert [row["job_id"] for row in jobs(ALL, {}, ended=False)] == ["train-1a", "train-1b"]
    assert len(jobs(ALL, {}, ended=True)) == 3


def test_progress_is_of_all_steps_where_they_are_known() -> None:
    known = replace(ONE, progress=JobProgress(step=50, steps=200))
    assert progress(job(known, {})) == "50/200 25%"
    assert progress(job(replace(ONE, progress=JobProgress(step=50)), {})) == "50"


def test_a_placement_is_an_agent_and_its_devices_while_it_has_them() -> None:
    placed = replace(ONE, agent_id=AgentId("id"), gpu_ids=("fake-0", "fake-1"))
    assert placement(job(placed, {"id": "a1"})) == "a1:fake-0,fake-1"
    assert placement(job(placed, {})) == "id:fake-0,fake-1", "an agent that is forgotten"
    assert placement(job(replace(placed, gpu_ids=()), {"id": "a1"})) == "a1"
    assert placement(job(replace(placed, state=JobState.FINISHED), {"id": "a1"})) == ""
    assert placement(job(TWO, {})) == ""
