"""Fair shares by progressive filling over what everybody has a use for."""

import pytest
from tests.support.master_harness import MasterHarness

from fairlead.common.ids import FrameworkId, Role
from fairlead.common.operators import SetWeight
from fairlead.common.resources import EMPTY, Resources
from fairlead.master.revoking.fair import Standing, fair_shares, path
from fairlead.master.revoking.revocations import Claim


def claim(name: str, role: str) -> Claim:
    return FrameworkId(name), Role(role)


A, B, C = claim("f-a", "a"), claim("f-b", "b"), claim("f-c", "c")


def cpus(count: float) -> Resources:
    return Resources.of(cpus=count)


def cluster(*, weights: dict[str, float] | None = None) -> MasterHarness:
    """One agent of 12 cpus."""
    h = MasterHarness()
    h.agent(cpus=12, mem="120GiB")
    for role, weight in (weights or {}).items():
        h.orders(SetWeight(Role(role), weight))
    return h


def shares(h: MasterHarness, wants: dict[Claim, Resources]) -> list[float]:
    """In cpus, to the next half."""
    found = fair_shares(h.master.books, wants)
    return [round(found[each].cpus / 500) / 2 for each in wants]


def test_m27_who_wants_less_than_its_part_leaves_the_rest_to_others() -> None:
    h = cluster()
    assert shares(h, {A: cpus(100), B: cpus(100), C: cpus(1)}) == [5.5, 5.5, 1]
    assert shares(h, {A: cpus(12), B: EMPTY}) == [12, 0]


def test_m27_weights_count() -> None:
    assert shares(cluster(weights={"a": 3}), {A: cpus(50), B: cpus(50)}) == [9, 3]


def test_m27_siblings_share_what_their_parent_has() -> None:
    x, y = claim("f-x", "a/x"), claim("f-y", "a/y")
    assert shares(cluster(), {x: cpus(50), y: cpus(50), B: cpus(50)}) == [3, 3, 6]


def test_m27_different_resources_are_compared_by_the_dominant_one() -> None:
    """The DRF paper's example, in a cluster ten times as fine."""
    h = MasterHarness()
    h.agent(cpus=9, mem="18GiB")
    tasks = 20
    wants = {
        A: Resources.of(cpus=1 * tasks, mem=4 * 2**30 * tasks),
        B: Resources.of(cpus=3 * tasks, mem=1 * 2**30 * tasks),
    }
    found = fair_shares(h.master.books, wants)
    assert 2.8 <= found[A].cpus / 1000 <= 3.2
    assert 5.6 <= found[B].cpus / 1000 <= 6.2


def test_m27_nobody_wants_anything_of_nothing() -> None:
    assert fair_shares(MasterHarness().master.books, {}) == {}
    assert fair_shares(MasterHarness().master.books, {A: cpus(1)}) == {A: EMPTY}


def test_m27_a_path_leads_from_the_top_to_the_framework() -> None:
    assert path(claim("f-1", "a/b")) == ("a", "a/b", "a/b/.", "a/b/./f-1")


def test_m27_standing_counts_at_every_level() -> None:
    standing = Standing(cluster(weights={"a": 2}).master.books)
    standing.change(claim("f-1", "a/b"), EMPTY, cpus(4))
    standing.change(claim("f-2", "a"), EMPTY, cpus(2))
    assert standing.held[Role("a")] == cpus(6)
    assert standing.held[Role("a/.")] == cpus(2)
    standing.change(B, EMPTY, cpus(3))
    assert standing.level(Role("a")) == standing.level(Role("b")), "6 with twice the weight is 3"
    assert standing.level(Role("a"), loses=cpus(2)) < standing.level(Role("b"))
    assert standing.level(Role("a")) < standing.level(Role("b"), gets=cpus(1))
    assert standing.beyond(B, cpus(4)) < 0 == standing.beyond(B, cpus(3))


def test_m27_many_in_one_role_cost_no_more_than_in_roles_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def levels(*roles: str) -> int:
        """How often anybody is looked at."""
        looks, level = 0, Standing.level

        def counted(standing: Standing, node: Role) -> int:
            nonlocal looks
            looks += 1
            return level(standing, node)

        with monkeypatch.context() as patched:
            patched.setattr(Standing, "level", counted)
            wants = {claim(f"f-{n}", role): cpus(1) for n, role in enumerate(roles)}
            fair_shares(cluster().master.books, wants)
        return looks

    own = levels(*(f"r{n}" for n in range(100)))
    assert levels(*["one"] * 100) <= own
