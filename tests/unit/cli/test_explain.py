"""What is asked of the master for what a person names."""

import pytest
from tests.support.states import framework, state, task

from fairlead.cli.explain import _question
from fairlead.common.errors import NotFoundError
from fairlead.common.ids import FrameworkId, TaskId
from fairlead.common.operators import ExplainFramework, ExplainTask

CLUSTER = state(framework("batch"), task("xyz", of="batch"))
BATCH = FrameworkId("F-batch")


@pytest.mark.parametrize(
    ("name", "question"),
    [
        ("batch", ExplainFramework(BATCH)),
        ("xy", ExplainTask(TaskId("xyz"), BATCH)),
        ("later", ExplainTask(TaskId("later"))),
        ("batch/later", ExplainTask(TaskId("later"), BATCH)),
    ],
)
def test_what_is_named_is_asked_for_though_it_is_not_known_yet(
    name: str, question: ExplainFramework | ExplainTask
) -> None:
    assert _question(CLUSTER, name) == question


@pytest.mark.parametrize("name", ["", "batch/", "nobody/xyz"])
def test_what_names_no_task_is_not_asked_for(name: str) -> None:
    with pytest.raises(NotFoundError, match="there is no task"):
        _question(CLUSTER, name)
