"""The training scheduler in conversation with a master: turns, moves, ends, orders, restarts."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.support.training import GIB, Shop, submission

from fairlead.common.events import Record
from fairlead.common.jobs import JobProgress, JobState, JobVerb, SubmitJob
from fairlead.common.messages import Accept, Kill, Reconcile
from fairlead.common.resources import Resources
from fairlead.common.values import (
    Comparison,
    Demand,
    Launch,
    Predicate,
    Reason,
    Resume,
    Suspend,
    TaskState,
)
from fairlead.frameworks.training.events import Forget, LookAt, Progressed

ONE = Resources.of(cpus=1, mem=GIB, gpus=1)
ON_AGENT_1 = (Predicate("hostname", Comparison.EQUALS, ("agent-1",)),)


def test_a_job_is_wanted_placed_recorded_and_launched() -> None:
    shop = Shop()
    assert shop.demands() == ()
    shop.submit("a")
    assert shop.demands() == (Demand(ONE),)
    shop.harness.offer(cpus=4, gpus=2)
    (accept,) = shop.accepts()
    (launch,) = accept.operations
    assert isinstance(launch, Launch)
    task = launch.task
    assert task.task_id == "a.1"
    assert task.resources == Resources.of(cpus=1, mem=GIB, gpus={"agent-1-gpu-0": 1})
    assert task.command.env == {
        "A": "b",
        "FAIRLEAD_JOB": "a",
        "FAIRLEAD_JOB_DIR": "/jobs/a",
        "FAIRLEAD_JOB_RUN": "1",
    }
    record = shop.durable()["job/a"]
    assert record.launch_uuid == launch.launch_uuid
    assert shop.demands() == ()
    assert "a server without jobs: its jobs want 0 of 2 GPUs before, 1 of 2 with it" in shop.why(
        "a"
    )


def test_a_launch_is_recorded_before_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop()
    shop.submit("a")
    orders: list[object] = []
    step = shop.scheduler.step

    def heard(event: object, now: float) -> Sequence[object]:
        ordered = step(event, now)
        orders.extend(ordered)
        return ordered

    monkeypatch.setattr(shop.scheduler, "step", heard)
    shop.harness.offer(gpus=1)
    kinds = [type(order) for order in orders if isinstance(order, Record | Accept)]
    assert kinds == [Record, Accept]


# --- turns


def test_where_no_gpu_is_free_a_job_takes_anothers_turn_in_one_accept() -> None:
    """Memory comes from an offer of that server; cpus and the GPU from who makes room."""
    shop = Shop()
    shop.trains("a")
    shop.submit("b")
    assert shop.demands() == (Demand(ONE),)
    shop.harness.pass_time(2)
    (shared,) = [each for each in shop.demands() if each.constraints.any_of]
    assert shared.each == Resources.of(mem=GIB)
    assert shared.constraints.any_of[0].predicates == ON_AGENT_1
    shop.accepts()
    offer = shop.harness.offer(cpus=0)
    (accept,) = shop.accepts()
    assert accept.offer_ids == (offer.offer_id,)
    assert accept.task_ids == ("a.1",)
    suspend, launch = accept.operations
    assert suspend == Suspend("a.1", True, 30.0, 10, 20.0)  # type: ignore[arg-type]
    assert isinstance(launch, Launch)
    assert launch.task.resources.gpus == (("agent-1-gpu-0", 1000),)
    assert shop.state("a") is JobState.SUSPENDED
    assert "shared by slices: its jobs want 1 of 1 GPUs before, 2 of 1 with it" in shop.why("b")


def test_turns_change_without_any_offer() -> None:
    shop = Shop()
    shop.trains("a")
    shop.shares("b")
    shop.accepts()
    shop.harness.pass_time(61)
    (accept,) = shop.accepts()
    assert accept.offer_ids == ()
    assert accept.task_ids == ("b.1", "a.1")
    assert [type(operation) for operation in accept.operations] == [Suspend, Resume]
    assert (shop.state("a"), shop.state("b")) == (JobState.RUNNING, JobState.SUSPENDED)
    shop.harness.pass_time(60)
    assert (shop.state("a"), shop.state("b")) == (JobState.SUSPENDED, JobState.RUNNING)
    assert shop.view("a").gpu_time_s == pytest.approx(62, abs=2)
    assert shop.why("a").count("slice ") == 1, "of slices only the last is told"


def test_a_turn_that_cannot_begin_says_what_it_waits_for_and_takes_a_free_gpu_elsewhere() -> None:
    shop = Shop()
    shop.trains("a")
    shop.submit("b")
    shop.harness.pass_time(2)
    assert shop.view("b").message == "its turn waits for 1 GiB mem on agent-1"
    assert shop.state("a") is JobState.RUNNING
    assert Demand(ONE) in shop.demands()
    shop.harness.offer(gpus=1, agent="agent-2")
    assert shop.view("b").agent_id == "agent-2"
    assert "goes to agent-2 instead: the load of agent-1 was 2.00, and is 1.00" in shop.why("b")


def test_a_seat_that_cannot_be_taken_is_not_kept_from_others_for_long() -> None:
    shop = Shop()
    shop.trains("a")
    shop.submit("b")
    shop.harness.pass_time(20)
    assert "leaves its turn to others: its turn waits for 1 GiB mem" in shop.why("b")
    assert shop.state("a") is JobState.RUNNING
    assert Demand(ONE) in shop.demands()
    shop.harness.pass_time(60)
    shop.harness.offer(cpus=0)
    assert shop.view("b").run == 1


def test_nobody_is_suspended_before_its_program_can_hear() -> None:
    shop = Shop()
    shop.trains("a")
    shop.harness.status("a.1", TaskState.FAILED, signal=9)
    shop.harness.pass_time(1)
    shop.harness.offer(gpus=1)
    shop.harness.status("a.2", TaskState.RUNNING)
    shop.submit("b")
    shop.harness.pass_time(2)
    shop.accepts()
    shop.harness.offer(cpus=0)
    assert shop.accepts() == []
    shop.says("a", run=2)
    shop.harness.offer(cpus=0)
    assert len(shop.accepts()) == 1


def test_words_of_programs_never_swallow_the_end_of_a_slice() -> None:
    shop = Shop()
    shop.trains("a")
    shop.shares("b")
    due = shop.scheduler.next_deadline()
    assert due is not None
    shop.accepts()
    shop.harness.now += 200
    shop.says("b", run=1, step=11)
    assert shop.accepts() == []
    shop.harness.pass_time(0)
    assert len(shop.accepts()) == 1


def test_a_refused_turn_is_tried_again_after_a_while() -> None:
    shop = Shop()
    shop.trains("a")
    shop.shares("b")
    shop.harness.refuse_next(message="operations[0]: b.1 is SUSPENDING")
    shop.harness.pass_time(59.5)
    assert shop.state("a") is JobState.SUSPENDED
    assert "its turn was refused: operations[0]: b.1 is SUSPENDING" in shop.why("a")
    shop.harness.pass_time(2)
    assert shop.state("a") is JobState.RUNNING


def test_who_does_not_give_back_its_gpu_is_ended_with_a_checkpoint_instead() -> None:
    shop = Shop()
    shop.trains("a")
    shop.harness.master.is_prompt = False
    shop.submit("b")
    shop.harness.pass_time(2)
    shop.harness.offer(cpus=0)
    said = {"reason": Reason.GPU_NOT_RELEASED, "message": "agent-1-gpu-0 still holds 4 GiB"}
    shop.says("a", run=1, step=11)
    shop.harness.status("a.1", TaskState.RUNNING, **said)  # type: ignore[arg-type]
    shop.harness.status("b.1", TaskState.DROPPED, reason=Reason.OPERATION_FAILED)
    assert "cannot be suspended: agent-1-gpu-0 still holds 4 GiB" in shop.why("a")
    shop.harness.pass_time(1)
    assert shop.killed() == ["a.1"]
    assert shop.state("a") is JobState.MIGRATING
    shop.harness.status("a.1", TaskState.KILLED, exit_code=75)
    shop.harness.offer(cpus=1, gpus=1)
    assert shop.view("b").run == 2
    assert shop.view("a").agent_id == "agent-1", "it waits for its next turn there"


def test_who_is_in_the_midst_of_a_long_step_is_asked_again_and_not_ended() -> None:
    """As while it evaluates: ended, it would begin that anew in each of its slices."""
    shop = Shop()
    shop.trains("a")
    shop.shares("b")
    shop.harness.master.is_prompt = False
    shop.harness.pass_time(60)
    for _ in range(5):
        _keeps_its_gpu(shop, "b.1", "a.1")
    assert "has not come to the end of its step: is asked again" in shop.why("b")
    assert shop.killed() == []
    for _ in range(10):
        _keeps_its_gpu(shop, "b.1", "a.1")
    assert "cannot be suspended" in shop.why("b"), "it hangs"
    assert shop.killed() == ["b.1"]


def test_a_slice_that_has_not_begun_is_counted_once() -> None:
    shop = Shop()
    shop.trains("a")
    shop.shares("b")
    shop.harness.master.is_prompt = False
    before = shop.view("a").slices
    shop.harness.pass_time(60)
    shop.harness.pass_time(85)  # b is in a long step; the clock strikes meanwhile
    assert shop.view("a").slices == before + 1


def _keeps_its_gpu(shop: Shop, task_id: str, waiting: str) -> None:
    """It is to make way, and does not; a moment later it is asked again."""
    shop.harness.pass_time(22)
    shop.harness.status(task_id, TaskState.RUNNING, reason=Reason.GPU_NOT_RELEASED)
    shop.harness.status(waiting, TaskState.SUSPENDED, reason=Reason.OPERATION_FAILED)
    shop.harness.pass_time(1)


def test_a_device_that_was_left_goes_to_who_is_suspended_on_it() -> None:
    shop = Shop()
    shop.trains("a")
    shop.shares("b")
    shop.harness.status("b.1", TaskState.FINISHED, exit_code=0)
    named = Resources.of(cpus=1, gpus={"agent-1-gpu-0": 1})
    assert [each.each for each in shop.demands()] == [named]
    shop.accepts()
    shop.harness.offer(cpus=1, mem=0, gpus=1)
    (accept,) = shop.accepts()
    assert accept.operations == (Resume("a.1"),)  # type: ignore[arg-type]


def test_where_no_gpu_is_left_who_is_suspended_goes_elsewhere() -> None:
    shop = Shop()
    shop.trains("a")
    shop.shares("b")
    shop.harness.status("b.1", TaskState.FINISHED, exit_code=0)
    shop.harness.pass_time(11)
    assert shop.killed() == ["a.1"]
    shop.harness.status("a.1", TaskState.KILLED, signal=9)
    assert shop.demands() == (Demand(ONE),)
    shop.harness.offer(gpus=1, agent="agent-2")
    assert shop.view("a").run == 2
    assert shop.view("a").agent_id == "agent-2"


def test_a_free_gpu_elsewhere_first_relieves_a_server_then_serves_the_queue() -> None:
    shop = Shop()
    shop.trains("a")
    shop.shares("b")
    shop.submit("wide", gpus=2)
    shop.harness.take_calls()
    shop.harness.offer(gpus=2, cpus=2, mem=2 * GIB, agent="agent-2")
    assert shop.killed() == ["a.1"]
    assert shop.view("wide").run == 0
    assert "moves to agent-2, where a GPU is free: the load of agent-1 was 2.00" in shop.why("a")
    shop.harness.status("a.1", TaskState.KILLED, signal=9)
    (accept,) = shop.accepts()
    assert [op.task.task_id for op in accept.operations if isinstance(op, Launch)] == ["a.2"]


def test_a_job_among_jobs_of_another_size_moves_to_where_it_belongs() -> None:
    shop = Shop()
    shop.submit("wide", gpus=2)
    shop.submit("a")
    shop.harness.offer(cpus=2, mem=2 * GIB, gpus=3)
    shop.runs("wide.1")
    shop.runs("a.1")
    assert "a server with free GPUs, whatever its affinity" in shop.why("a")
    shop.harness.pass_time(299)
    assert shop.demands() == ()
    shop.harness.pass_time(2)
    (wanted,) = shop.demands()
    elsewhere = Predicate("hostname", Comparison.NOT_EQUALS, ("agent-1",))
    assert wanted.constraints.any_of[0].predicates == (elsewhere,)
    shop.accepts()
    shop.harness.offer(gpus=1, agent="agent-2")
    assert shop.killed() == ["a.1"]
    shop.harness.status("a.1", TaskState.KILLED, exit_code=75)
    assert shop.view("a").agent_id == "agent-2"
    assert shop.view("a").run == 2
    assert "moves to agent-2: it runs among jobs of 2 GPUs, 5 steps/s here" in shop.why("a")


# --- ends


def test_a_program_that_never_calls_the_hook_fails_with_the_way_out() -> None:
    shop = Shop()
    shop.submit("a")
    shop.harness.offer(gpus=1)
    shop.harness.status("a.1", TaskState.RUNNING)
    shop.harness.pass_time(299)
    assert shop.killed() == []
    shop.harness.pass_time(2)
    assert shop.killed() == ["a.1"]
    shop.harness.status("a.1", TaskState.KILLED, signal=15)
    assert shop.state("a") is JobState.FAILED
    assert "has not called the hook: import `steps`" in shop.view("a").message


def test_a_copy_that_was_lost_before_it_could_call_the_hook_is_not_blamed_for_that() -> None:
    """Its agent was away all the time, and is back after a reboot."""
    shop = Shop()
    shop.submit("a")
    shop.harness.offer(gpus=1)
    shop.harness.status("a.1", TaskState.RUNNING)
    shop.harness.pass_time(301)
    assert shop.killed() == ["a.1"]
    shop.harness.status("a.1", TaskState.GONE, reason=Reason.EXIT_STATUS_UNKNOWN)
    assert shop.state("a") is JobState.QUEUED
    shop.harness.pass_time(1)
    assert shop.demands() == (Demand(ONE),)


def test_the_end_of_a_program_is_judged_by_its_last_words() -> None:
    shop = Shop()
    for job_id in ("a", "b"):
        shop.submit(job_id)
        shop.harness.offer(gpus=1, agent=f"agent-{job_id}")
        shop.harness.status(f"{job_id}.1", TaskState.FINISHED, exit_code=0)
    looks = [each for each in shop.harness.performed if isinstance(each, LookAt)]
    assert looks == [LookAt("a", "/jobs/a"), LookAt("b", "/jobs/b")]
    trouble = "cannot save: No space left on device"
    shop.harness.happen(Progressed("a", JobProgress(1, 100, 100, trouble=trouble)))
    assert shop.view("a").message == f"exit code 0; at its end: {trouble}"
    shop.harness.happen(Progressed("b", None))
    assert shop.state("a") is JobState.FINISHED
    assert shop.view("a").progress.step == 100
    assert shop.state("b") is JobState.FAILED
    assert "ended with exit code 0 and never called the hook" in shop.view("b").message


def test_a_failure_is_forgiven_as_often_as_the_job_may_be_restarted() -> None:
    shop = Shop()
    shop.submit("a", max_restarts=1)
    shop.harness.offer(gpus=1)
    shop.runs("a.1", checkpoint_step=7)
    shop.harness.status("a.1", TaskState.FAILED, exit_code=3)
    assert shop.state("a") is JobState.QUEUED
    assert "exit code 3: restart 1 of 1; goes on from its checkpoint" in shop.why("a")
    shop.harness.pass_time(1)
    shop.harness.offer(gpus=1)
    shop.runs("a.2", checkpoint_step=7)
    assert "copy 2 goes on from step 7" in shop.why("a")
    shop.harness.status("a.2", TaskState.FAILED, exit_code=3, message="see its log")
    assert shop.state("a") is JobState.FAILED
    assert shop.view("a").message == "exit code 3: see its log, after 1 of 1 restarts"


def test_what_the_cluster_lost_is_launched_again_ever_more_patiently() -> None:
    shop = Shop()
    shop.submit("a")
    for run in (1, 2, 3):
        shop.harness.pass_time(2 ** (run - 1) / 2)
        shop.harness.offer(gpus=1)
        assert shop.view("a").run == run
        shop.harness.status(f"a.{run}", TaskState.GONE, reason=Reason.AGENT_GONE)
        assert shop.demands() == ()
    assert shop.state("a") is JobState.QUEUED


def test_who_asks_to_be_started_again_without_having_trained_has_to_wait() -> None:
    shop = Shop()
    shop.submit("a")
    shop.harness.offer(gpus=1)
    shop.runs("a.1", step=5)
    shop.harness.status("a.1", TaskState.FAILED, exit_code=75)
    assert shop.demands() == (Demand(ONE),)
    shop.harness.offer(gpus=1)
    shop.runs("a.2", step=0)
    shop.harness.status("a.2", TaskState.FAILED, exit_code=75)
    assert shop.demands() == ()
    shop.harness.pass_time(1)
    assert shop.demands() == (Demand(ONE),)


def test_while_its_agent_is_unreachable_a_job_waits() -> None:
    shop = Shop()
    shop.trains("a")
    shop.harness.status("a.1", TaskState.UNREACHABLE, reason=Reason.AGENT_UNREACHABLE)
    shop.harness.pass_time(1000)
    assert shop.demands() == ()
    assert "its agent is unreachable" in shop.view("a").message
    before = shop.view("a").gpu_time_s
    shop.harness.status("a.1", TaskState.RUNNING)
    shop.harness.pass_time(5)
    assert shop.view("a").gpu_time_s == pytest.approx(before + 5)
    assert shop.view("a").message == ""


def test_a_job_that_no_server_could_hold_says_so() -> None:
    shop = Shop()
    shop.trains("a", gpus=2)
    shop.submit("b", gpus=4)
    assert shop.view("b").message == "needs 4 GPUs on one server; the largest seen has 2"


def test_what_a_copy_said_last_is_read_when_it_has_ended() -> None:
    """It had saved more than was read while it lived, and the next one says where it begins."""
    shop = Shop()
    shop.trains("a")
    shop.order("a", JobVerb.PAUSE)
    shop.harness.status("a.1", TaskState.KILLED, exit_code=75)
    assert shop.harness.performed[-1] == LookAt("a", "/jobs/a")
    shop.says("a", run=1, step=42, checkpoint_step=42)
    assert shop.view("a").progress.step == shop.durable()["job/a"].view.progress.step == 42
    shop.order("a", JobVerb.RESUME)
    shop.harness.offer(gpus=1)
    shop.runs("a.2", step=50, checkpoint_step=43)
    shop.says("a", run=1, step=42, checkpoint_step=42)
    assert shop.view("a").progress.step == 50, "what was read earlier and comes later is old"
    assert shop.view("a").runs[-1].first_step == 43


def test_a_job_that_is_paused_while_its_agent_is_away_says_what_it_waits_for() -> None:
    shop = Shop()
    shop.trains("a")
    shop.harness.status("a.1", TaskState.UNREACHABLE, reason=Reason.AGENT_UNREACHABLE)
    shop.order("a", JobVerb.PAUSE)
    assert "its agent is unreachable" in shop.view("a").message


@pytest.mark.parametrize("is_cancelled_first", [False, True])
def test_a_job_is_cancelled_although_its_agent_may_never_come_back(
    is_cancelled_first: bool,
) -> None:
    shop = Shop()
    shop.trains("a")
    if is_cancelled_first:
        shop.order("a", JobVerb.CANCEL)
    shop.harness.status("a.1", TaskState.UNREACHABLE, reason=Reason.AGENT_UNREACHABLE)
    if not is_cancelled_first:
        shop.order("a", JobVerb.CANCEL)
    assert shop.state("a") is JobState.CANCELLED
    assert "unreachable" in shop.view("a").runs[-1].ending
    assert shop.killed() == ["a.1"]
    shop.harness.status("a.1", TaskState.RUNNING)
    assert shop.killed() == ["a.1"], "it is back, and still to end"
    shop.harness.status("a.1", TaskState.KILLED, signal=15)
    assert shop.state("a") is JobState.CANCELLED


# --- orders


def test_a_job_is_paused_and_goes_on_from_its_checkpoint() -> None:
    shop = Shop()
    shop.trains("a")
    assert shop.order("a", JobVerb.PAUSE).refusal == ""
    shop.order("a", JobVerb.PAUSE)
    assert shop.killed() == ["a.1"], "ordering twice does it once"
    shop.harness.status("a.1", TaskState.KILLED, exit_code=75)
    assert shop.state("a") is JobState.PAUSED
    assert shop.demands() == ()
    shop.order("a", JobVerb.RESUME)
    assert shop.demands() == (Demand(ONE),)
    shop.harness.offer(gpus=1)
    assert shop.view("a").run == 2


def test_who_changes_their_mind_before_the_copy_has_ended_gets_the_next_one() -> None:
    shop = Shop()
    shop.trains("a")
    shop.order("a", JobVerb.PAUSE)
    shop.order("a", JobVerb.RESUME)
    shop.harness.offer(gpus=1)
    assert shop.view("a").run == 1, "never two living copies"
    shop.harness.status("a.1", TaskState.KILLED, exit_code=75)
    shop.harness.offer(gpus=1)
    assert shop.view("a").run == 2


@pytest.mark.parametrize("is_running", [False, True])
def test_a_job_is_cancelled(is_running: bool) -> None:
    shop = Shop()
    shop.submit("a")
    if is_running:
        shop.harness.offer(gpus=1)
        shop.runs("a.1")
    shop.order("a", JobVerb.CANCEL)
    if is_running:
        assert shop.state("a") is JobState.CANCELLING
        shop.harness.status("a.1", TaskState.KILLED, signal=15)
    assert shop.state("a") is JobState.CANCELLED
    assert shop.demands() == ()
    assert shop.order("a", JobVerb.CANCEL).refusal == ""
    assert "is CANCELLED, for good" in shop.order("a", JobVerb.RESUME).refusal
    assert "no job 'x' is known" in shop.order("x", JobVerb.PAUSE).refusal
    shop.harness.happen(Forget(("a",)))
    assert shop.durable() == {}


def test_submitting_twice_submits_once_and_another_job_of_that_id_is_refused() -> None:
    shop = Shop()
    call = submission("a")
    assert shop.ask(call).refusal == ""
    assert shop.ask(call).refusal == ""
    assert shop.demands() == (Demand(ONE),)
    refused = shop.ask(submission("a", gpus=2))
    assert (refused.field, refused.refusal) == ("task.task_id", "'a' is the id of another job")


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (submission(""), "task.task_id"),
        (submission("a" * 151), "task.task_id"),
        (submission("a", weight=-1), "weight"),
        (submission("a", max_restarts=-1), "max_restarts"),
        (
            replace(
                submission("a"),
                task=replace(submission("a").task, resources=Resources.of(gpus=0.5)),
            ),
            "task.resources.gpus",
        ),
        (
            replace(submission("a"), task=replace(submission("a").task, resources=Resources())),
            "task.resources",
        ),
    ],
)
def test_what_is_wrong_with_a_submission(call: SubmitJob, field: str) -> None:
    answer = Shop().ask(call)
    assert (answer.field, answer.reply) == (field, None)
    assert answer.refusal


# --- restarts


def test_the_next_life_asks_what_became_of_each_copy_and_launches_none_meanwhile() -> None:
    first = Shop()
    first.trains("a")
    first.shares("b")
    second = Shop(first)
    assert second.state("a") is JobState.SUSPENDED
    second.harness.reconnect()
    asked = [body for body in second.harness.said if isinstance(body, Reconcile) and body.tasks]
    assert {ref.task_id for ref in asked[0].tasks} == {"a.1", "b.1"}
    second.harness.pass_time(200)
    assert not any(isinstance(op, Launch) for call in second.accepts() for op in call.operations)
    assert {second.state("a"), second.state("b")} == {JobState.RUNNING, JobState.SUSPENDED}


@pytest.mark.parametrize("verb", [JobVerb.PAUSE, JobVerb.CANCEL])
def test_the_next_life_orders_again_what_was_under_way(verb: JobVerb) -> None:
    first = Shop()
    first.trains("a")
    first.order("a", verb)
    second = Shop(first)
    second.harness.reconnect()
    assert set(second.killed()) == {"a.1"}
    second.harness.status("a.1", TaskState.KILLED, exit_code=75)
    assert second.state("a") in (JobState.PAUSED, JobState.CANCELLED)


def test_an_end_whose_meaning_was_not_known_yet_is_looked_at_again() -> None:
    first = Shop()
    first.trains("a")
    first.harness.status("a.1", TaskState.FINISHED, exit_code=0)
    second = Shop(first)
    second.harness.reconnect()
    assert LookAt("a", "/jobs/a") in second.harness.performed
    second.says("a", run=1, step=100)
    assert second.state("a") is JobState.FINISHED


def test_under_another_id_the_copies_of_the_last_one_have_ended() -> None:
    first = Shop()
    first.trains("a")
    second = Shop(first, is_successor=False)
    second.harness.reconnect()
    assert second.state("a") is JobState.QUEUED
    assert second.demands() == (Demand(ONE),)


def test_a_copy_that_no_job_knows_of_is_ended() -> None:
    shop = Shop()
    shop.trains("a")
    status = shop.harness.master.tasks[next(iter(shop.harness.master.tasks))].latest
    stray = replace(status, task_id="a.9", launch_uuid="other", update_uuid="u-9")  # type: ignore[arg-type]
    shop.harness.take_calls()
    shop.harness.repeat(stray)
    assert [call for call in shop.harness.take_calls() if isinstance(call, Kill)] == [
        Kill("a.9", "agent-1")  # type: ignore[arg-type]
    ]
