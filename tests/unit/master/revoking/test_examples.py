"""The numbers of docs/revocation.md, by running them."""

from tests.support.hungry import Hungry, goes_on, settle
from tests.support.master_harness import MasterHarness
from tests.support.pages import table_of

from fairlead.common.ids import Role
from fairlead.common.messages import Code
from fairlead.common.operators import SetQuota
from fairlead.common.resources import Resources

ONE = Resources.of(cpus=1, mem=2**30)
OVER = 120.0
"""Patience, a look, notice and what follows, in seconds."""


def cluster(cpus: int) -> MasterHarness:
    h = MasterHarness()
    h.agent(cpus=cpus, mem=f"{10 * cpus}GiB")
    return h


def comes(h: MasterHarness, role: str, count: int) -> Hungry:
    found = Hungry(h, role, ONE, count)
    settle(h, [found])
    return found


def quota(h: MasterHarness, role: str, **cpus: int) -> None:
    guarantees, limits = (
        {"cpus": n * 1000} if n else {} for n in (cpus.get("guarantee", 0), cpus.get("limit", 0))
    )
    assert h.orders(SetQuota(Role(role), guarantees, limits)).code is Code.OK


def written(line: int) -> str:
    """How that line of the table ends."""
    return table_of("revocation.md", "| cluster |")[line][-1]


def test_m27_who_wants_nothing_gives_its_part_to_the_others() -> None:
    for wanted, shares in ((3, [5, 3]), (100, [4, 4])):
        h = cluster(8)
        a, b, c = comes(h, "a", 100), comes(h, "b", wanted), comes(h, "c", 0)
        goes_on(h, [a, b, c], OVER)
        assert [a.cpus, b.cpus] == shares


def test_m27_a_limit_below_use_ends_nothing_and_shares_do() -> None:
    h = cluster(12)
    lab, ops = comes(h, "lab", 8), comes(h, "ops", 4)
    quota(h, "lab", limit=4)
    goes_on(h, [lab, ops], OVER)
    assert written(0).startswith(f"lab {lab.cpus:g}, ops {ops.cpus:g}:")
    ops.count = 8
    goes_on(h, [lab, ops], OVER)
    assert written(1).startswith(f"lab {lab.cpus:g}, ops {ops.cpus:g}:")


def test_m27_two_guarantees_and_one_that_has_none() -> None:
    h = cluster(10)
    c = comes(h, "c", 100)
    quota(h, "a", guarantee=6)
    quota(h, "b", guarantee=3)
    a, b = comes(h, "a", 100), comes(h, "b", 2)
    goes_on(h, [a, b, c], 2 * OVER)
    assert written(2) == f"a {a.cpus:g}, b {b.cpus:g}, c {c.cpus:g}"
