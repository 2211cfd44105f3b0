"""What a driver still has to say of its scheduler's wishes, whenever they were ordered."""

from tests.support.schedulers import Scripted

from fairlead.common.ids import Role
from fairlead.common.messages import Revive, Suppress
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
