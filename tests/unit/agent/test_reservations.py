"""What an agent keeps for roles: its word, through crashes, and what it refuses with numbers."""

from dataclasses import replace

from tests.support.agent_harness import AgentHarness, launch

from fairlead.agent.settings import AgentSettings
from fairlead.common.ids import ANY_GPU, AgentId, Role
from fairlead.common.messages import AgentRegistered, ChangeReservation, ReservationChanged
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import Operation, Reservation, Reserve, TaskState, Unreserve

ML, WEB = Role("ml"), Role("web")
ONE, TWO, FOUR = Resources.of(cpus=1), Resources.of(cpus=2), Resources.of(cpus=4)


def told(h: AgentHarness) -> list[ReservationChanged]:
    return [body for body in h.heard if isinstance(body, ReservationChanged)]


def reported(h: AgentHarness) -> dict[Role, Reservation]:
    """At its last registration."""
    h.hangs_up().registered()
    return {each.role: each for each in h.registrations()[-1].reservations}


def order(h: AgentHarness, role: Role, resources: Resources) -> ReservationChanged:
    h.says(ChangeReservation("r-1", role, resources))
    return told(h)[-1]


def fixed(resources: Resources, role: Role = ML, **extra: object) -> AgentHarness:
    h = AgentHarness(**extra)  # type: ignore[arg-type]
    h.settings = replace(h.settings, reserved=(Reserve(role, resources),))
    return h.crash().registered()


def test_m25_an_order_is_carried_out_told_and_durable() -> None:
    h = AgentHarness().registered()
    assert order(h, ML, TWO) == ReservationChanged(Reservation(ML, TWO), "r-1")
    h.crash().registered()
    assert reported(h) == {ML: Reservation(ML, TWO)}
    assert order(h, ML, ONE) == ReservationChanged(Reservation(ML, ONE), "r-1")
    assert order(h, ML, EMPTY) == ReservationChanged(Reservation(ML, EMPTY), "r-1")
    assert not [key for key in h.records if key.startswith("reserved/")]
    assert reported(h) == {}


def test_m25_more_than_there_is_is_refused_with_numbers() -> None:
    h = AgentHarness(cpus=4).registered()
    order(h, WEB, Resources.of(cpus=3))
    answer = order(h, ML, TWO)
    assert answer.message == "resources: 2 cpus for ml; the agent has 1 cpu, 1 GiB mem for it"
    assert answer.reservation == Reservation(ML, EMPTY)
    assert set(reported(h)) == {WEB}


def test_m25_devices_are_named_by_the_master() -> None:
    h = AgentHarness(gpus={"g0": 1, "g1": 1}).registered()
    answer = order(h, ML, Resources(gpus=((ANY_GPU, 1000),)))
    assert answer.message == "resources.gpus: the master names devices"
    assert not order(h, ML, Resources.of(gpus={"g1": 1})).message
    assert order(h, WEB, Resources.of(gpus={"g1": 1})).message


def test_m25_a_role_that_is_none_is_refused() -> None:
    h = AgentHarness().registered()
    h.run([Reserve(Role("a//b"), ONE), launch("t1")])
    assert h.state("t1") is TaskState.DROPPED
    assert "role: " in h.ended_accepts()[-1].message


def test_m25_what_is_fixed_is_there_from_the_beginning_and_no_order_undoes_it() -> None:
    h = fixed(Resources.of(cpus=1, gpus=1), gpus={"g0": 1, "g1": 1})
    one = Resources.of(cpus=1, gpus={"g0": 1})
    assert reported(h) == {ML: Reservation(ML, EMPTY, one)}
    order(h, ML, TWO)
    assert reported(h) == {ML: Reservation(ML, TWO, one)}
    order(h, ML, EMPTY)
    h.crash().registered()
    assert reported(h) == {ML: Reservation(ML, EMPTY, one)}


def test_m25_what_is_fixed_later_takes_devices_that_no_order_has() -> None:
    h = AgentHarness(gpus={"g0": 1, "g1": 1}).registered()
    order(h, WEB, Resources.of(gpus={"g0": 1}))
    h.settings = replace(h.settings, reserved=(Reserve(ML, Resources.of(gpus=1)),))
    h.crash().registered()
    assert reported(h)[ML].fixed == Resources.of(gpus={"g1": 1})


def test_m25_what_is_fixed_no_more_is_gone() -> None:
    h = fixed(ONE)
    h.settings = AgentSettings(boot_id="boot-1")
    assert reported(h.crash().registered()) == {}


def test_m25_accepts_reserve_and_unreserve_in_their_order() -> None:
    h = AgentHarness(cpus=4).registered()
    steps: list[Operation] = [Reserve(ML, TWO), launch("t1"), Unreserve(ML, ONE)]
    h.run(steps, offered=Resources.of(cpus=3))
    assert [each.reservation.resources for each in told(h)] == [TWO, ONE]
    assert h.ended_accepts()[-1].failed_operation == -1
    assert h.heard.index(told(h)[-1]) < h.heard.index(h.ended_accepts()[-1])
    assert reported(h) == {ML: Reservation(ML, ONE)}


def test_m25_no_more_is_given_back_than_was_reserved() -> None:
    h = AgentHarness(cpus=4).registered()
    h.run([Reserve(ML, ONE), Unreserve(ML, TWO), launch("t1")], offered=FOUR)
    assert h.state("t1") is TaskState.DROPPED
    assert h.ended_accepts()[-1].failed_operation == 1
    assert h.ended_accepts()[-1].message == "resources: ml has 1 cpu, not 2 cpus"
    assert reported(h) == {ML: Reservation(ML, ONE)}


def test_m25_a_crash_between_any_two_records_does_each_step_once() -> None:
    steps: list[Operation] = [
        Reserve(ML, TWO),
        Unreserve(ML, TWO),
        Reserve(ML, ONE),
        Reserve(ML, ONE),
        Unreserve(ML, ONE),
    ]
    for crash_at in range(50):
        h = AgentHarness(cpus=4)
        h.crash_at = crash_at
        h.registered()
        h.run(steps, offered=FOUR)
        h.registered()
        if not reported(h):  # it crashed before anything of it was recorded
            h.run(steps, offered=FOUR)
        assert reported(h) == {ML: Reservation(ML, ONE)}, f"crash at {crash_at}"
        assert not h.agent.living()


def test_m25_nothing_of_an_accept_that_is_over_stays() -> None:
    h = AgentHarness(cpus=4).registered()
    h.run([Reserve(ML, TWO), Unreserve(ML, TWO)], offered=FOUR)
    assert not [key for key in h.records if key.startswith("reserved/")]
    assert told(h)[-1] == ReservationChanged(Reservation(ML, EMPTY))


def test_m25_what_changed_before_the_registration_was_answered_is_told_behind_it() -> None:
    h = AgentHarness(cpus=4).registered()
    h.confirms = False
    h.run([launch("t1"), Reserve(ML, TWO)], offered=Resources.of(cpus=3))
    h.answers_registrations = False
    h.hangs_up()
    while h.session is None:
        h.passes(1)
    assert not h.registrations()[-1].reservations
    h.confirms = True
    h.answers()
    assert not told(h)
    h.answers_registrations = True
    h.says(AgentRegistered(AgentId("agent-1"), h.cluster_id, h.heartbeat_s))
    assert told(h) == [ReservationChanged(Reservation(ML, TWO))]
    assert h.heard.index(told(h)[-1]) < h.heard.index(h.ended_accepts()[-1])
