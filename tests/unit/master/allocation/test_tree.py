"""Weighted dominant shares along the tree of roles."""

from fractions import Fraction

import hypothesis
import hypothesis.strategies as st
import pytest
from tests.support.master_harness import FrameworkDouble, MasterHarness, demand

from fairlead.common.ids import FrameworkId, Role
from fairlead.common.messages import Code
from fairlead.common.operators import SetQuota, SetWeight
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.roles import lineage
from fairlead.common.values import FrameworkInfo
from fairlead.master.allocation.tree import Tree
from fairlead.master.books import Books
from fairlead.master.entries import Framework


def situation(*roles: str, **weights: float) -> tuple[MasterHarness, list[FrameworkDouble]]:
    """A framework in each of these roles; weights of names with __ for a slash."""
    h = MasterHarness()
    frameworks = [h.framework(role=role, demands=[]) for role in roles]
    for name, weight in weights.items():
        h.orders(SetWeight(Role(name.replace("__", "/")), weight))
    return h, frameworks


def shared_out(cpus: int, *roles: str, **weights: float) -> list[int]:
    """How many of so many cpus each framework gets that wants them all."""
    h, frameworks = situation(*roles, **weights)
    h.step_demands({f: [demand(cpus)] for f in frameworks})
    h.agent(cpus=cpus, mem=f"{cpus}GiB")
    h.tick()
    return [f.offered.cpus // 1000 for f in frameworks]


def test_m21_children_have_together_the_share_of_their_parent() -> None:
    assert shared_out(24, "a/x", "a/y", "b") == [6, 6, 12]


def test_m21_to_any_depth() -> None:
    assert shared_out(48, "a/x/1", "a/x/2", "a/y", "b/z", "c") == [4, 4, 8, 16, 16]


def test_m21_weights_count_among_siblings() -> None:
    assert shared_out(36, "a/x", "a/y", "b", a=2, a__x=3) == [18, 6, 12]


def test_m21_the_frameworks_of_a_role_are_one_more_sibling_of_its_children() -> None:
    assert shared_out(24, "a", "a", "a/x", "b") == [3, 3, 6, 12]


def test_m21_that_sibling_weighs_one() -> None:
    assert shared_out(24, "a", "a/x", "b", a=2, a__x=3) == [4, 12, 8]


@pytest.mark.parametrize("first", ["a/x", "b"])
def test_m21_of_equal_shares_the_one_with_fewer_allocations_comes_first(first: str) -> None:
    """In the whole of its subtree; and then goes the path."""
    h, (x, y, b) = situation("a/x", "a/y", "b")
    h.agent(cpus=1, mem="1GiB")
    early = {"a/x": b, "b": y}[first]
    early.wants(demand(1))
    early.decline(refuse_s=1)
    early.wants()
    h.step_demands({f: [demand(1)] for f in (x, b)})
    assert [f.role for f in (x, b) if f.offers] == [first]


def test_m21_what_runs_in_a_subtree_counts_for_all_of_it() -> None:
    h, (x, y, b) = situation("a/x", "a/y", "b")
    h.agent(cpus=4, mem="4GiB")
    x.wants(demand(4))
    taken = h.agent(cpus=4, mem="4GiB")
    h.step_demands({y: [demand(8)], b: [demand(8)]})
    assert (x.offered.cpus, y.offered.cpus, b.offered.cpus) == (4000, 0, 4000)
    assert [o.agent_id for o in b.offers] == [taken.id]


def with_quota(quota: SetQuota, *roles: str, **weights: float) -> list[int]:
    """How many of 24 cpus each framework gets."""
    h, frameworks = situation(*roles, **weights)
    h.agent(cpus=24, mem="24GiB")
    assert h.orders(quota).code is Code.OK
    h.step_demands({f: [demand(24)] for f in frameworks})
    return [f.offered.cpus // 1000 for f in frameworks]


def test_m20_what_a_limit_leaves_goes_by_shares() -> None:
    limit = SetQuota(Role("a"), limits={"cpus": 8000})
    assert with_quota(limit, "a/x", "a/y", "b", "c") == [4, 4, 8, 8]
    assert with_quota(limit, "a/x", "a/y", "b", a__x=3) == [6, 2, 16]


def test_m20_what_a_guarantee_leaves_goes_by_shares() -> None:
    guarantee = SetQuota(Role("b"), guarantees={"cpus": 12_000})
    assert with_quota(guarantee, "a/x", "a/y", "b", a=3) == [6, 6, 12]


# --- convergence

ROLES = [Role(name) for name in ("a", "a/x", "a/y", "a/y/1", "b", "b/z", "c")]
CAPACITY = Resources.of(60, 90, gpus=24)
Node = tuple[str, ...]
units = st.builds(Resources.of, st.integers(1, 4), st.integers(1, 6), gpus=st.integers(0, 1))
weights = st.dictionaries(st.sampled_from(ROLES), st.sampled_from([1.0, 2.0, 3.0, 0.5]))


@hypothesis.settings(max_examples=60)
@hypothesis.given(
    st.dictionaries(st.sampled_from(ROLES), units, min_size=2),
    weights,
    st.sampled_from([(), ("gpus",)]),
)
def test_m20_m21_whatever_is_wanted_no_sibling_is_behind_by_more_than_one_task(
    wanted: dict[Role, Resources], weights: dict[Role, float], excluded: tuple[str, ...]
) -> None:
    """At each level of the tree, after each task, while there is room; with gpus excluded too."""
    books = Books(weights=weights, capacity=CAPACITY, excluded=excluded)
    for role in wanted:
        framework_id = FrameworkId(f"of-{role}")
        books.frameworks[framework_id] = Framework(FrameworkInfo(framework_id, role, roles=(role,)))
    tree = Tree(books)
    held: dict[Role, Resources] = dict.fromkeys(wanted, EMPTY)
    for _ in range(50):
        lowest = min(
            books.frameworks.values(),
            key=lambda f: tree.place(f, f.info.roles[0], held[f.info.roles[0]]),
        )
        role = lowest.info.roles[0]
        tree.give(role, wanted[role])
        held[role] += wanted[role]
        shares = _shares(held, books)
        tasks = _largest_tasks(wanted, books)
        for node, share in shares.items():
            for sibling, other in shares.items():
                if node[:-1] == sibling[:-1]:
                    assert share - tasks[node] <= other, (node, sibling, held)


def _shares(held: dict[Role, Resources], books: Books) -> dict[Node, Fraction]:
    """Of each node above somebody who wants something, worked out from what they hold."""
    sums: dict[Node, Resources] = {}
    for role, part in held.items():
        for node in _nodes(role):
            sums[node] = sums.get(node, EMPTY) + part
    return {node: _share(total, books, node[-1]) for node, total in sums.items()}


def _largest_tasks(wanted: dict[Role, Resources], books: Books) -> dict[Node, Fraction]:
    """The share of the largest task below each node."""
    tasks: dict[Node, Fraction] = {}
    for role, unit in wanted.items():
        for node in _nodes(role):
            tasks[node] = max(tasks.get(node, Fraction(0)), _share(unit, books, node[-1]))
    return tasks


def _share(of: Resources, books: Books, name: str) -> Fraction:
    names = ("cpus", "mem", "disk", "gpus")
    counted = zip(names, of.vector, CAPACITY.vector, strict=False)
    share = max(Fraction(a, b) for name, a, b in counted if b and name not in books.excluded)
    return share / Fraction(books.weights.get(Role(name), 1.0))


def _nodes(role: Role) -> list[Node]:
    path: Node = (*reversed(lineage(role)), ".")
    return [path[:count] for count in range(1, len(path) + 1)]
