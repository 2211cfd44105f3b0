"""Constraints: any group, all its predicates."""

import pytest

from fairlead.common.ids import AgentId
from fairlead.common.resources import EMPTY
from fairlead.common.values import AgentInfo, AllOf, Comparison, Constraints, Predicate
from fairlead.master.constraints import SUPPORTED, admits, attributes_of, unsupported

AGENT = AgentInfo(
    AgentId("a"), "host1", EMPTY, {"disk": "ssd"}, zone="north", rack="r7", name="one"
)


def admitted(attribute: str, comparison: Comparison, *values: str) -> bool:
    group = AllOf((Predicate(attribute, comparison, values),))
    return admits(Constraints((group,)), AGENT)


@pytest.mark.parametrize(
    ("attribute", "comparison", "values", "expected"),
    [
        ("disk", Comparison.EXISTS, (), True),
        ("tape", Comparison.EXISTS, (), False),
        ("disk", Comparison.NOT_EXISTS, (), False),
        ("tape", Comparison.NOT_EXISTS, (), True),
        ("disk", Comparison.EQUALS, ("ssd",), True),
        ("disk", Comparison.EQUALS, ("hdd",), False),
        ("tape", Comparison.EQUALS, ("ssd",), False),
        ("disk", Comparison.NOT_EQUALS, ("ssd",), False),
        ("tape", Comparison.NOT_EQUALS, ("ssd",), True),
        ("disk", Comparison.IN, ("hdd", "ssd"), True),
        ("tape", Comparison.IN, ("hdd", "ssd"), False),
        ("disk", Comparison.NOT_IN, ("hdd", "ssd"), False),
        ("tape", Comparison.NOT_IN, ("hdd", "ssd"), True),
        ("hostname", Comparison.EQUALS, ("host1",), True),
        ("zone", Comparison.EQUALS, ("north",), True),
        ("rack", Comparison.IN, ("r6", "r7"), True),
        ("name", Comparison.EQUALS, ("one",), True),
    ],
)
def test_each_comparison(
    attribute: str, comparison: Comparison, values: tuple[str, ...], *, expected: bool
) -> None:
    assert admitted(attribute, comparison, *values) is expected


def test_any_group_suffices_and_a_group_needs_all() -> None:
    ssd, hdd = (Predicate("disk", Comparison.EQUALS, (kind,)) for kind in ("ssd", "hdd"))
    north = Predicate("zone", Comparison.EQUALS, ("north",))
    assert admits(Constraints((AllOf((hdd,)), AllOf((ssd, north)))), AGENT)
    assert not admits(Constraints((AllOf((hdd, north)),)), AGENT)


def test_no_group_means_every_agent() -> None:
    assert admits(Constraints(), AGENT)


def test_preferences_never_block() -> None:
    hdd = AllOf((Predicate("disk", Comparison.EQUALS, ("hdd",)),))
    assert admits(Constraints(preferred=(hdd,)), AGENT)


def test_every_comparison_is_judged_or_named() -> None:
    for comparison in Comparison:
        constraints = Constraints((AllOf((Predicate("disk", comparison),)),))
        assert (unsupported(constraints) is None) == (comparison in SUPPORTED)


def test_what_an_agent_has_not_said_is_no_attribute() -> None:
    assert attributes_of(AgentInfo(AgentId("a"), "h", EMPTY)) == {"hostname": "h"}
