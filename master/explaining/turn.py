"""Who would be offered something before a framework, by the order of the allocation.

For `explain`. What somebody has refused on the agent at hand, which comes first in that order,
differs from agent to agent and is left out.
"""

from collections.abc import Iterator
from typing import NamedTuple

from fairlead.common.ids import Role
from fairlead.common.resources import EMPTY, total
from fairlead.common.values import Demand

from ..allocation.demands import open_demand
from ..allocation.gang_offers import open_gangs
from ..allocation.quota import Outlook, is_owed
from ..allocation.tree import Place, Tree
from ..books import Books
from ..context import Context
from ..entries import Framework
from .answers import Words


class _Rank(NamedTuple):
    """Lower comes first."""

    is_not_owed: bool
    """Its role has all that is guaranteed to it of what it wants."""
    is_idle: bool
    """It has stated no demand, or one that is not believed."""
    place: Place


def open_of(books: Books, framework: Framework, role: Role) -> tuple[Demand, ...] | None:
    """What it wants more; None: it stated nothing."""
    if role not in framework.demands:
        return None
    return (*open_demand(books, framework, role), *open_gangs(framework, role))


def turn(context: Context, framework: Framework, role: Role) -> Words:
    """Its place among those who would take something."""
    books, is_drawn = context.books, context.settings.sorter == "random"
    tree, outlook = Tree(books), Outlook.of(books) if books.quotas else None
    own, ranked = _rank(context, tree, outlook, framework, role), 1
    before = list[tuple[_Rank, str, Role]]()
    for other, named in _others(books, framework, role):
        yield None
        if open_of(books, other, named) == ():
            continue
        rank = _rank(context, tree, outlook, other, named)
        ranked += 1
        if rank[:2] < own[:2] or (not is_drawn and rank < own):
            before.append((rank, other.info.name, named))
    if before:
        rank, name, first = min(before)
        owed = "" if rank.is_not_owed else ", which is below its guarantee"
        those = f"{len(before)} of {ranked} that want something come before it"
        yield f"  {those}; the first is {name} in role {first}{owed}"
    if is_drawn and ranked - len(before) > 1:
        yield f"  whose turn it is of the other {ranked - len(before)} is drawn by weight"


def _others(books: Books, framework: Framework, role: Role) -> Iterator[tuple[Framework, Role]]:
    """All who might want something."""
    for other in tuple(books.frameworks.values()):
        for named in other.info.roles if other.is_present else ():
            if (other, named) != (framework, role) and named not in other.suppressed:
                yield other, named


def _rank(
    context: Context, tree: Tree, outlook: Outlook | None, framework: Framework, role: Role
) -> _Rank:
    books, wants = context.books, open_of(context.books, framework, role)
    is_believed = context.settings.believes(framework.refusals)
    wanted = books.capacity if wants is None else total(demand.each for demand in wants)
    is_first = is_believed and outlook is not None and is_owed(books, {}, role, wanted, outlook)
    place = tree.place(framework, role, EMPTY)
    return _Rank(not is_first, wants is None or not is_believed, place)
