"""The shapes that `-o json` promises."""

import json
from dataclasses import replace

from tests.support.states import GIB, agent, framework, state, task

from fairlead.cli import views
from fairlead.cli.tables import amount_named, holding, in_tree
from fairlead.common.ids import GpuId, OfferId, Role
from fairlead.common.operators import AgentState, RoleView
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import Demand, Offer, Reservation, RoleDemand, TaskState


def test_quantities_are_numbers_with_their_unit_in_the_key() -> None:
    have = Resources.of(cpus=1.5, mem=GIB, disk=2, gpus={"g0": 1, "g1": 0.5})
    assert views.quantities(have) == {
        "cpus": 1.5,
        "mem_bytes": GIB,
        "disk_bytes": 2,
        "gpus": 1.5,
    }
    whole = views.quantities(Resources.of(cpus=2))
    assert json.dumps(whole["cpus"]) == "2"


def test_a_role_has_its_share_before_the_weight_counts() -> None:
    held = Resources.of(cpus=2)
    halved = RoleView(Role("training"), 2.0, 0.25, held, EMPTY)
    shown = views.roles(replace(state(), roles=(halved, RoleView(Role("batch")))))
    assert [(row["role"], row["weight"]) for row in shown] == [("batch", 1.0), ("training", 2.0)]
    assert shown[1]["dominant_share"] == 0.5
    assert shown[1]["held"] == views.quantities(held)


def test_a_role_says_what_its_quota_names() -> None:
    view = RoleView(Role("a/b"), guarantees={"cpus": 1500}, limits={"gpus": 0, "mem": GIB})
    roles = (RoleView(Role("a-1")), view, RoleView(Role("a")))
    shown = views.roles(replace(state(), roles=roles))
    assert [row["role"] for row in shown] == ["a", "a/b", "a-1"], "children after their parent"
    nothing = {"cpus": None, "mem_bytes": None, "disk_bytes": None, "gpus": None}
    assert shown[1]["guarantees"] == nothing | {"cpus": 1.5}
    assert shown[1]["limits"] == nothing | {"gpus": 0, "mem_bytes": GIB}
    assert amount_named(shown[1]["limits"]) == "1 GiB mem, 0 gpus"
    assert [in_tree(row) for row in shown] == ["a", "  a/b", "a-1"]
    assert [row["role"] for row in views.quotas(replace(state(), roles=roles))] == ["a/b"]


def test_m25_reservations_by_agent_and_role() -> None:
    ml = Reservation(Role("ml"), Resources.of(cpus=2), Resources.of(gpus={"g0": 1}))
    web = Reservation(Role("web"), Resources.of(cpus=1))
    shown = views.reservations(state(replace(agent("a1"), reservations=(web, ml)), agent("a2")))
    assert [(row["agent"], row["role"], row["cpus"]) for row in shown] == [
        ("a1", "ml", 2),
        ("a1", "web", 1),
    ]
    assert shown[0]["gpu_ids"] == ["g0"]
    assert shown[0]["fixed"] == views.quantities(ml.fixed)


def test_agents_by_name() -> None:
    shown = views.agents(state(agent("a2", AgentState.UNREACHABLE), agent("a1")), gone=False)
    assert [(each["name"], each["state"]) for each in shown] == [
        ("a1", "CONNECTED"),
        ("a2", "UNREACHABLE"),
    ]
    assert shown[0]["cpus"] == 4
    assert shown[0]["used"] == {"cpus": 0.5, "mem_bytes": GIB, "disk_bytes": 0, "gpus": 0}


def test_an_agent_that_is_drained_says_how_far_it_is_and_one_that_is_gone_is_seldom_shown() -> None:
    there = agent("a1")
    empty = replace(there, is_draining=True, tasks=0, unacknowledged=0)
    known = state(
        empty,
        replace(empty, agent=agent("a2").agent, unacknowledged=1),
        replace(agent("a3", AgentState.UNREACHABLE), is_draining=True),
        agent("a4", AgentState.GONE),
    )
    shown = [each["state"] for each in views.agents(known, gone=True)]
    assert shown == ["DRAINED", "DRAINING", "UNREACHABLE", "GONE"]
    assert len(views.agents(known, gone=False)) == 3
    assert len(views.cluster(known, "")["agents"]) == 3


def test_a_task_names_its_framework_and_agent_and_says_how_it_ended() -> None:
    failed = task("t1", TaskState.FAILED, exit_code=7, message="exited with 7")
    (shown,) = views.tasks(state(agent("a1"), framework("commands"), failed), ended=True)
    assert shown["task_id"] == "t1"
    assert (shown["framework"], shown["agent"]) == ("commands", "a1")
    assert (shown["state"], shown["reason"]) == ("FAILED", "COMMAND_EXITED")
    assert (shown["exit_code"], shown["signal"]) == (7, None)
    assert (shown["cpus"], shown["mem_bytes"]) == (1, 128 * 2**20)
    assert shown["argv"] == ["sleep", "1"]


def test_a_suspended_task_says_what_it_holds_and_what_it_gave_up() -> None:
    runs = task("t", TaskState.RUNNING)
    whole = runs.resources + Resources(gpus=((GpuId("fake-0"), 1000),))
    cases = (
        (TaskState.RUNNING, whole, "1 cpu, 128 MiB mem, 1 gpu"),
        (TaskState.SUSPENDED, runs.resources, "1 cpu, 128 MiB mem; 1 gpu given up"),
        (TaskState.SUSPENDED, Resources.of(mem=2**27), "128 MiB mem; 1 cpu, 1 gpu given up"),
        (TaskState.SUSPENDED, whole, "1 cpu, 128 MiB mem, 1 gpu"),
        (TaskState.KILLED, EMPTY, "1 cpu, 128 MiB mem, 1 gpu"),
    )
    for is_now, held, said in cases:
        view = replace(task("t", is_now), resources=whole, held=held)
        (shown,) = views.tasks(state(view), ended=True)
        assert holding(shown) == said
        assert shown["gpu_ids"] == ["fake-0"]
        assert shown["held"]["gpu_ids"] == [gpu_id for gpu_id, _ in held.gpus]


def test_exit_code_zero_is_not_null() -> None:
    (shown,) = views.tasks(state(task("t", TaskState.FINISHED, exit_code=0)), ended=True)
    assert shown["exit_code"] == 0


def test_what_ended_is_shown_only_when_asked_for() -> None:
    cluster = state(
        task("old", TaskState.FINISHED, at=1.0),
        task("new", at=2.0),
        framework("here"),
        framework("gone", is_connected=False, is_ended=True),
        framework("away", is_connected=False),
    )
    assert [each["task_id"] for each in views.tasks(cluster, ended=False)] == ["new"]
    assert [each["task_id"] for each in views.tasks(cluster, ended=True)] == ["old", "new"]
    assert [each["state"] for each in views.frameworks(cluster, ended=False)] == [
        "DISCONNECTED",
        "CONNECTED",
    ]
    assert len(views.frameworks(cluster, ended=True)) == 3


def test_a_framework_says_how_much_it_wants() -> None:
    wants = RoleDemand(framework("x").framework.roles[0], (Demand(Resources.of(cpus=1), 3),))
    (shown,) = views.frameworks(state(replace(framework("x"), demands=(wants,))), ended=False)
    assert shown["wanted"] == 3


def test_offers_name_both_sides() -> None:
    a1, commands = agent("a1"), framework("commands")
    offer = Offer(
        OfferId("o1"),
        a1.agent.agent_id,
        commands.framework.framework_id,
        commands.framework.roles[0],
        Resources.of(cpus=2),
    )
    (shown,) = views.offers(replace(state(a1, commands), offers=(offer,)))
    assert (shown["offer_id"], shown["agent"], shown["framework"]) == ("o1", "a1", "commands")


def test_the_whole_cluster_counts_tasks_by_state() -> None:
    shown = views.cluster(
        state(agent("a1"), task("1"), task("2"), task("3", TaskState.FAILED)), "127.0.0.1:1"
    )
    assert shown["tasks"] == {"RUNNING": 2, "FAILED": 1}
    assert (shown["address"], shown["epoch"], shown["version"]) == ("127.0.0.1:1", 1, 1)
    json.dumps(shown)
