"""Why a task does not run, or where it is."""

from tests.support.master_harness import AgentDouble, FrameworkDouble, MasterHarness, demand, task

from fairlead.common.ids import FrameworkId, TaskId
from fairlead.common.messages import Code
from fairlead.common.operators import ExplainTask
from fairlead.common.values import Suspend, TaskState


def answer(h: MasterHarness, task_id: str, framework_id: str = "") -> str:
    assert h.orders(ExplainTask(TaskId(task_id), FrameworkId(framework_id))).code is Code.OK
    return "\n".join(h.replies[-1].lines)


def launched() -> tuple[MasterHarness, AgentDouble, FrameworkDouble]:
    h = MasterHarness()
    a = h.agent(cpus=4, gpus=1, name="here")
    f = h.framework(name="mine", demands=[demand(2, gpus=0.5)])
    f.launch(task("t1", cpus=2, gpus=0.5))
    return h, a, f


def test_m35_a_task_on_its_way_and_running() -> None:
    h, a, f = launched()
    assert "has not said that it has" in answer(h, "t1")
    a.runs("t1")
    text = answer(h, "t1", f.id)
    assert text.startswith("task t1 of framework mine (")
    assert "in role dl: RUNNING" in text
    assert "agent here (a-1-1) is connected" in text


def test_m35_a_task_whose_agent_is_away_and_is_to_be_ended() -> None:
    h, a, f = launched()
    a.runs("t1")
    a.disconnects()
    h.advance(30)
    f.kill("t1", grace_s=3)
    text = answer(h, "t1")
    assert "is DISCONNECTED" in text
    assert "back within 45 s, the task is UNREACHABLE" in text
    assert "it is to be ended, within 3.0 s, as soon as its agent is back" in text
    h.advance(60)
    assert "so does this (AGENT_UNREACHABLE" in answer(h, "t1")


def test_m35_a_task_that_comes_to_rest() -> None:
    h, a, f = launched()
    a.runs("t1")
    f.orders(Suspend(TaskId("t1"), free_cpus=True))
    assert "its agent is carrying out the accept x-1-" in answer(h, "t1")
    a.programs.finish()
    text = answer(h, "t1")
    assert "SUSPENDED" in text
    assert "it holds 1 GiB mem; it asked for 2 cpus, 1 GiB mem, 0.5 gpus" in text


def test_m35_a_task_that_has_ended() -> None:
    h, a, f = launched()
    f.is_acknowledging = False
    a.becomes("t1", TaskState.FAILED, exit_code=3)
    text = answer(h, "t1")
    assert "it has ended with exit code 3" in text
    assert "has not acknowledged yet that it is FAILED" in text
    f.disconnects()
    assert "its framework has been away" in answer(h, "t1")


def test_m35_a_task_that_nobody_launched() -> None:
    h, _, f = launched()
    f.wants(demand(3, cpus=8))
    text = answer(h, "t2")
    assert text.startswith("nothing named t2 is known")
    assert f"framework mine ({f.id}) wants 3 tasks of 8 cpus, 1 GiB mem" in text
    assert "fairlead explain FRAMEWORK" in text


def test_m35_a_task_that_one_framework_does_not_know() -> None:
    h, _, f = launched()
    h.orders(ExplainTask(TaskId("t2"), f.id))
    assert h.replies[-1].lines[0].startswith("mine has no task t2: it was not launched yet")


def test_m35_an_agent_may_still_bring_it() -> None:
    h, a, f = launched()
    h.fail_over(returns=False)
    f.connects()
    f.kill("t1", agent_id=a.id)
    text = answer(h, "t1")
    assert "not back yet since this master began: 1 agent" in text
    assert "it is ended as soon as its agent is back" in text
