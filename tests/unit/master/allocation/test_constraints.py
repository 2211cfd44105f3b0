"""Constraints: any group, all its predicates."""

from dataclasses import replace

import pytest
from tests.support.master_harness import MasterHarness, demand

from fairlead.common.ids import AgentId, Role
from fairlead.common.resources import EMPTY
from fairlead.common.values import (
    AgentInfo,
    AllOf,
    Comparison,
    Constraints,
    Predicate,
    RoleWish,
)
from fairlead.master.allocation.constraints import (
    MAX_PATTERN_BYTES,
    admits,
    attributes_of,
    bad_constraints,
    prefers,
)

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
        ("disk", Comparison.MATCHES, ("s+d",), True),
        ("disk", Comparison.MATCHES, ("ss",), False),
        ("disk", Comparison.MATCHES, ("s|ssd",), True),
        ("tape", Comparison.MATCHES, (".*",), False),
        ("disk", Comparison.NOT_MATCHES, ("s+d",), False),
        ("disk", Comparison.NOT_MATCHES, ("ss",), True),
        ("tape", Comparison.NOT_MATCHES, (".*",), True),
        ("hostname", Comparison.MATCHES, (r"host\d",), True),
        ("hostname", Comparison.EQUALS, ("host1",), True),
        ("zone", Comparison.EQUALS, ("north",), True),
        ("rack", Comparison.IN, ("r6", "r7"), True),
        ("name", Comparison.EQUALS, ("one",), True),
    ],
)
def test_m15_each_comparison(
    attribute: str, comparison: Comparison, values: tuple[str, ...], *, expected: bool
) -> None:
    assert admitted(attribute, comparison, *values) is expected


def test_m15_any_group_suffices_and_a_group_needs_all() -> None:
    ssd, hdd = (Predicate("disk", Comparison.EQUALS, (kind,)) for kind in ("ssd", "hdd"))
    north = Predicate("zone", Comparison.EQUALS, ("north",))
    assert admits(Constraints((AllOf((hdd,)), AllOf((ssd, north)))), AGENT)
    assert not admits(Constraints((AllOf((hdd, north)),)), AGENT)


def test_no_group_means_every_agent() -> None:
    assert admits(Constraints(), AGENT)


def test_m15_preferences_never_block() -> None:
    hdd = AllOf((Predicate("disk", Comparison.EQUALS, ("hdd",)),))
    assert admits(Constraints(preferred=(hdd,)), AGENT)


def test_m15_what_is_preferred() -> None:
    ssd, hdd = (AllOf((Predicate("disk", Comparison.EQUALS, (kind,)),)) for kind in ("ssd", "hdd"))
    assert prefers(Constraints(preferred=(hdd, ssd)), AGENT)
    assert not prefers(Constraints(preferred=(hdd,)), AGENT)
    assert not prefers(Constraints((ssd,)), AGENT)


def test_m37_a_pattern_that_would_backtrack_for_ever_stalls_nobody() -> None:
    """In the standard library's `re` this is 2 ** 30 steps."""
    victim = AgentInfo(AgentId("a"), "h", EMPTY, {"name": "a" * 30 + "b"})
    for comparison in (Comparison.MATCHES, Comparison.NOT_MATCHES):
        group = AllOf((Predicate("name", comparison, ("(a+)+$",)),))
        assert bad_constraints(Constraints((group,))) is None
        assert admits(Constraints((group,)), victim) is (comparison is Comparison.NOT_MATCHES)


@pytest.mark.parametrize(
    ("comparison", "values", "field"),
    [
        (Comparison.MATCHES, ("(",), "values[0]"),
        (Comparison.MATCHES, (r"(a)\1",), "values[0]"),
        (Comparison.MATCHES, ("x{1000}{1000}",), "values[0]"),
        (Comparison.MATCHES, (r"\pL{1000}",), "values[0]"),
        (Comparison.NOT_MATCHES, ("é" * 129,), "values[0]"),
        (Comparison.MATCHES, (), "values"),
        (Comparison.EQUALS, ("a", "b"), "values"),
        (Comparison.NOT_EQUALS, (), "values"),
        (Comparison.UNSPECIFIED, (), "comparison"),
        (Comparison.MATCHES, ("é" * 128,), None),
        (Comparison.EXISTS, (), None),
        (Comparison.IN, ("a", "("), None),
        (Comparison.NOT_IN, (), None),
    ],
)
def test_m37_what_is_no_predicate_is_named(
    comparison: Comparison, values: tuple[str, ...], field: str | None
) -> None:
    assert MAX_PATTERN_BYTES == 256
    exists = Predicate("disk", Comparison.EXISTS)
    group = AllOf((exists, Predicate("disk", comparison, values)))
    for name in ("any_of", "preferred"):
        wrong = bad_constraints(Constraints(**{name: (AllOf((exists,)), group)}))
        assert (wrong and wrong[0]) == (field and f"{name}[1].predicates[1].{field}")


def test_what_an_agent_has_not_said_is_no_attribute() -> None:
    assert attributes_of(AgentInfo(AgentId("a"), "h", EMPTY)) == {"hostname": "h"}


# --- in offers


@pytest.mark.parametrize(
    "predicate",
    [
        Predicate("disk", Comparison.EQUALS, ("ssd",)),
        Predicate("disk", Comparison.MATCHES, ("s+d",)),
        Predicate("hostname", Comparison.NOT_MATCHES, ("host1|name-of-no-host",)),
        Predicate("zone", Comparison.EXISTS),
        Predicate("rack", Comparison.IN, ("r1", "r2")),
    ],
)
def test_m15_who_does_not_match_is_never_offered(predicate: Predicate) -> None:
    h = MasterHarness()
    h.agent(attributes={"disk": "hdd"})
    b = h.agent(attributes={"disk": "ssd", "zone": "north", "rack": "r2"})
    wish = RoleWish(Role("dl"), constraints=Constraints((AllOf((predicate,)),)))
    f, other = h.framework(wishes=[wish]), h.framework(demands=[demand(1)])
    h.advance(100)
    assert {offer.agent_id for offer in f.seen_offers} == {b.id}
    assert other.offers


def test_m15_constraints_are_judged_again_when_an_agent_has_changed() -> None:
    ssd = Constraints((AllOf((Predicate("disk", Comparison.EQUALS, ("ssd",)),)),))
    h = MasterHarness()
    a = h.agent(attributes={"disk": "hdd"})
    f = h.framework(wishes=[RoleWish(Role("dl"), constraints=ssd)])
    assert not f.offers
    a.disconnects()
    a.info = replace(a.info, attributes={"disk": "ssd"})
    a.connects()
    h.tick()
    assert [offer.agent_id for offer in f.offers] == [a.id]
    a.disconnects()
    a.info = replace(a.info, attributes={"disk": "hdd"})
    a.connects()
    h.tick()
    assert not f.offers
