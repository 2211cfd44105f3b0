"""What a framework says that it wants: whether it is more than before."""

import pytest
from tests.support.master_harness import MasterHarness, demand

from fairlead.common.ids import Role
from fairlead.common.values import Demand, RoleDemand
from fairlead.master.wants import is_more, open_part


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, [], False),
        (None, [demand(1)], True),
        ([demand(3)], [demand(3)], False),
        ([demand(3)], [demand(2)], False),
        ([demand(3)], [demand(4)], True),
        ([demand(3)], [demand(3), demand(3)], True),
        ([demand(2), demand(1)], [demand(3)], False),
        ([demand(3)], [demand(1, cpus=2)], True),
        ([demand(3)], [], False),
    ],
)
def test_whether_a_demand_has_grown(
    before: list[Demand] | None, after: list[Demand], *, expected: bool
) -> None:
    assert is_more(before, after) is expected


def test_demands_of_nothing_are_left_out() -> None:
    wanted = RoleDemand(Role("dl"), (demand(0), demand(2)))
    assert open_part(wanted) == [demand(2)]


def test_a_demand_that_grew_is_served() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    f = h.framework(demands=[demand(1)])
    f.wants(demand(3))
    assert f.offered.cpus == 3000
