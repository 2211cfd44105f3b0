"""What a driver still has to say of its scheduler's wishes, whenever they were ordered."""

from tests.support.schedulers import Scripted

from fairlead.common.ids import Role
from fairlead.common.messages import Revive, SetDemand, Suppress
from fairlead.common.resources import Resources
from fairlead.common.values import RoleDemand
from fairlead.frameworks.kit.scheduler import wanting
from fairlead.frameworks.kit.wants import Wants

ROLE = Role("default")


def test_what_is_ordered_while_a_subscribe_is_under_way_is_said_behind_it() -> None:
    """Found by the simulator: the Subscribe said suppressed, the Revive after it was lost."""
    wants = Wants(Scripted())
    wants.ordered(Suppress(), said=True)
    wishes, _ = wants.whole()
    assert [wish.suppressed for wish in wishes] == [True]
    wants.ordered(Revive(), said=False)
    assert wants.changes() == [Revive((ROLE,))]
    assert wants.changes() == []


def test_what_was_said_at_once_is_not_said_again() -> None:
    wants = Wants(Scripted())
    wants.whole()
    wants.ordered(Suppress(), said=True)
    assert wants.changes() == []


def test_a_demand_that_is_stated_no_more_is_taken_back_once() -> None:
    scripted = Scripted()
    scripted.demands = wanting(Resources.of(cpus=1), 2)
    wants = Wants(scripted)
    wants.whole()
    scripted.demands = None
    assert wants.changes() == [SetDemand((RoleDemand(ROLE, (), unstated=True),))]
    assert wants.changes() == []
    wants.spend()
    assert wants.changes() == []
    scripted.demands = wanting(Resources.of(cpus=1), 2)
    assert wants.changes() == [SetDemand(scripted.demands)]
    wants.spend()
    scripted.demands = None
    assert len(wants.changes()) == 1, "also behind an accept, which is of the demand before"


def test_who_never_stated_a_demand_says_nothing_of_it() -> None:
    wants = Wants(Scripted())
    assert wants.whole() == ((), ())
    assert wants.changes() == []
