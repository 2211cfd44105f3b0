"""What operators see of the books: one view per thing, and it is what the books say (M36)."""

import pytest
from tests.support.master_harness import MasterHarness, demand, task

from fairlead.common.ids import Role, TaskId
from fairlead.common.messages import AgentHeartbeat, TaskUsage
from fairlead.common.operators import (
    AgentState,
    AgentView,
    FrameworkView,
    RoleView,
    SetWeight,
    TaskView,
)
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import HostUsage, Offer, TaskState, Usage
from fairlead.master.views import all_keys, view

GIB = 2**30


def test_m36_an_agent_says_what_it_has_and_what_is_used_and_offered() -> None:
    h = MasterHarness()
    a = h.agent(cpus=4, mem="8GiB", gpus=1, attributes={"disk": "ssd"})
    f = h.framework(demands=[demand(2)])
    f.launch(task("t1", gpus=0))
    h.framework(demands=[demand(1, cpus=2, mem="2GiB", gpus=1)])
    host = HostUsage(cpu_percent=37.5, memory_bytes=5)
    a.says(AgentHeartbeat(1, host, unacknowledged=2))
    found = view(h.master.books, f"agents/{a.id}")
    assert isinstance(found, AgentView)
    assert found.agent == a.info
    assert (found.state, found.tasks, found.unacknowledged) == (AgentState.CONNECTED, 1, 2)
    assert found.used == Resources.of(cpus=1, mem=GIB)
    assert found.offered.contains(Resources.of(cpus=2, mem=2 * GIB, gpus={"GPU-host1-0": 1}))
    assert found.usage == host
    a.disconnects()
    gone = view(h.master.books, f"agents/{a.id}")
    assert isinstance(gone, AgentView)
    assert (gone.state, gone.offered) == (AgentState.DISCONNECTED, Resources())


def test_m36_a_framework_says_its_share_and_what_it_wants() -> None:
    h = MasterHarness()
    h.agent(cpus=4, mem="8GiB")
    f = h.framework(demands=[demand(1, mem="4GiB")])
    f.launch(task("t1", mem="4GiB"))
    f.wants(demand(3, cpus=100))
    found = view(h.master.books, f"frameworks/{f.id}")
    assert isinstance(found, FrameworkView)
    assert (found.is_connected, found.is_ended, found.tasks) == (True, False, 1)
    assert found.used == Resources.of(cpus=1, mem=4 * GIB)
    assert (found.dominant_share, found.dominant_resource) == (0.5, "mem")
    assert [(each.role, each.demands) for each in found.demands] == [("dl", (demand(3, cpus=100),))]
    f.disconnects()
    away = view(h.master.books, f"frameworks/{f.id}")
    assert isinstance(away, FrameworkView)
    assert (away.is_connected, away.is_ended, away.tasks) == (False, False, 1)


def test_m36_a_task_says_where_it_is_what_it_does_and_what_it_uses() -> None:
    h = MasterHarness()
    a = h.agent(gpus=1)
    f = h.framework(demands=[demand(1, gpus=1)])
    f.launch(task("t1", gpus=1))
    a.runs("t1")
    used = Usage(cpu_s=1.5, memory_bytes=7)
    a.says(AgentHeartbeat(1, HostUsage(), (TaskUsage(f.id, TaskId("t1"), used),)))
    found = view(h.master.books, f"tasks/{f.id}/t1")
    assert isinstance(found, TaskView)
    assert (found.framework_id, found.task_id, found.agent_id) == (f.id, "t1", a.id)
    assert (found.role, found.latest.state) == ("dl", TaskState.RUNNING)
    assert found.resources.gpus == (("GPU-host1-0", 1000),)
    assert found.command.argv == ("sleep", "1")
    assert found.usage == used


def test_m36_a_role_says_its_weight_and_its_weighted_share() -> None:
    h = MasterHarness()
    h.agent(cpus=4, mem="8GiB")
    h.orders(SetWeight(Role("dl"), 2.0))
    f = h.framework(demands=[demand(2)])
    f.launch(task("t1", cpus=2))
    found = view(h.master.books, "roles/dl")
    assert isinstance(found, RoleView)
    assert (found.weight, found.used.cpus) == (2.0, 2000)
    assert found.dominant_share == pytest.approx(0.25)


def test_m36_an_offer_is_shown_while_it_is_open() -> None:
    h = MasterHarness()
    h.agent()
    f = h.framework()
    (offer,) = f.offers
    found = view(h.master.books, f"offers/{offer.offer_id}")
    assert isinstance(found, Offer)
    assert found == offer
    f.decline()
    assert view(h.master.books, f"offers/{offer.offer_id}") is None


@pytest.mark.parametrize(
    "key", ["agents/x", "frameworks/x", "tasks/x/y", "tasks/x", "roles/x", "offers/x"]
)
def test_nothing_stands_under_an_unknown_key(key: str) -> None:
    assert view(MasterHarness().master.books, key) is None


def test_m36_every_thing_in_the_books_has_a_key_and_every_key_a_view() -> None:
    h = MasterHarness()
    h.agent(cpus=2)
    h.agent(cpus=2)
    f = h.framework(role="a", demands=[demand(1)])
    f.launch(task("t1"))
    h.framework(role="b")
    keys = list(all_keys(h.master.books))
    assert len(keys) == len(set(keys))
    kinds = [key.partition("/")[0] for key in keys]
    counts = {kind: kinds.count(kind) for kind in kinds}
    assert counts == {
        "agents": 2,
        "frameworks": 2,
        "tasks": 1,
        "roles": 2,
        "offers": len(h.master.books.offers),
    }
    assert all(view(h.master.books, key) is not None for key in keys)


def test_a_role_is_shown_as_soon_as_a_framework_is_in_it() -> None:
    h = MasterHarness()
    h.framework(role="dl")
    assert "roles/dl" in h.master.take_touched()
    assert "roles/dl" in all_keys(h.master.books)
    shown = view(h.master.books, "roles/dl")
    assert isinstance(shown, RoleView)
    assert (shown.weight, shown.used) == (1.0, EMPTY)
