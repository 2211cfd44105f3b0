"""The books: sums that agree, and a check that would notice if they did not."""

from collections.abc import Callable

import pytest
from tests.support.master_harness import AgentDouble, FrameworkDouble, MasterHarness, task

from fairlead.common.events import Received, Tick
from fairlead.common.ids import SessionId, TaskId
from fairlead.common.messages import AgentHeartbeat, AgentMessage
from fairlead.common.operators import AgentState
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import Suspend
from fairlead.master.entries import anonymous
from fairlead.master.proof import check_touched
from fairlead.master.settings import MasterSettings
from fairlead.master.views import all_keys

Corruption = Callable[[MasterHarness, AgentDouble, FrameworkDouble], None]


def running() -> tuple[MasterHarness, AgentDouble, FrameworkDouble]:
    h = MasterHarness(MasterSettings(offer_timeout_s=1000))
    a = h.agent(cpus=4, gpus=2)
    f = h.framework()
    f.accept(f.offers[0], task("t1", gpus=1), refuse_s=0)
    a.runs("t1")
    h.advance(1.1)
    f.accept(f.offers[0], task("t2", cpus=0.5), refuse_s=0)
    a.runs("t2")
    f.orders(Suspend(TaskId("t2"), free_cpus=True))
    a.programs.step()
    h.advance(1.1)
    assert f.offers
    return h, a, f


def test_used_offered_and_free_make_the_whole() -> None:
    h, a, _ = running()
    agent = h.master.books.agents[a.id]
    assert agent.used.cpus == 1500, "half of it is an accept's"
    assert agent.offered.cpus == 2500
    assert agent.free == EMPTY
    assert agent.used + agent.offered == a.info.resources


def test_a_role_holds_what_its_frameworks_hold() -> None:
    h, _, f = running()
    assert h.master.books.held[f.role] == anonymous(Resources.of(cpus=4, mem=8 * 2**30, gpus=2))
    assert h.framework_books(f).held[f.role] == h.master.books.held[f.role]


def test_capacity_counts_devices_not_their_names() -> None:
    h, _, _ = running()
    h.agent(cpus=1, gpus=2)
    assert h.master.books.capacity.gpus == (("", 4000),)


def corrupt_used(h: MasterHarness, a: AgentDouble, f: FrameworkDouble) -> None:
    h.master.books.agents[a.id].used = EMPTY


def corrupt_offered(h: MasterHarness, a: AgentDouble, f: FrameworkDouble) -> None:
    h.master.books.agents[a.id].offered = EMPTY


def corrupt_held(h: MasterHarness, a: AgentDouble, f: FrameworkDouble) -> None:
    h.believes(f, "t1").held = Resources.of(cpus=2)


def corrupt_role(h: MasterHarness, a: AgentDouble, f: FrameworkDouble) -> None:
    h.master.books.held[f.role] = EMPTY


def corrupt_state(h: MasterHarness, a: AgentDouble, f: FrameworkDouble) -> None:
    h.master.books.agents[a.id].state = AgentState.DISCONNECTED


def corrupt_session(h: MasterHarness, a: AgentDouble, f: FrameworkDouble) -> None:
    h.framework_books(f).session = None


def corrupt_promise(h: MasterHarness, a: AgentDouble, f: FrameworkDouble) -> None:
    agent = h.master.books.agents[a.id]
    agent.info = type(agent.info)(a.id, "host1", Resources.of(cpus=2))


def corrupt_ended(h: MasterHarness, a: AgentDouble, f: FrameworkDouble) -> None:
    h.framework_books(f).ended[h.believes(f, "t1").task_id] = h.believes(f, "t1")


def corrupt_part(h: MasterHarness, a: AgentDouble, f: FrameworkDouble) -> None:
    (accept,) = h.framework_books(f).accepts.values()
    accept.held = EMPTY


def corrupt_accepts(h: MasterHarness, a: AgentDouble, f: FrameworkDouble) -> None:
    h.framework_books(f).accepts.clear()


CORRUPTIONS = (
    corrupt_used,
    corrupt_offered,
    corrupt_held,
    corrupt_role,
    corrupt_state,
    corrupt_session,
    corrupt_promise,
    corrupt_ended,
    corrupt_part,
    corrupt_accepts,
)


@pytest.mark.parametrize("corrupt", CORRUPTIONS)
def test_check_notices(corrupt: Corruption) -> None:
    h, a, f = running()
    h.master.check()
    corrupt(h, a, f)
    with pytest.raises((AssertionError, KeyError)):
        h.master.check()


@pytest.mark.parametrize("corrupt", CORRUPTIONS)
def test_what_was_touched_is_checked_like_the_whole(corrupt: Corruption) -> None:
    h, a, f = running()
    books, sessions = h.master.books, h.master._context.sessions
    touched = list(all_keys(books))
    check_touched(books, sessions, touched)
    corrupt(h, a, f)
    with pytest.raises((AssertionError, KeyError)):
        check_touched(books, sessions, touched)


def test_a_step_is_checked_by_what_it_touched() -> None:
    h, a, f = running()
    h.agent(cpus=4)
    a.runs("t1")
    corrupt_used(h, a, f)
    h.master.step(Tick(), h.now)
    h.master.check_step()  # of other things
    assert a.session is not None
    h.master.step(Received(SessionId(a.session), AgentMessage(AgentHeartbeat(1))), h.now)
    with pytest.raises(AssertionError, match="the books say"):
        h.master.check_step()
