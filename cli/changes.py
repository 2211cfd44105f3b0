"""A watched state: the whole one first, then what changed, put together again."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from fairlead.common.operators import StateReply

from .exits import Exit
from .problems import CommandError

Item = TypeVar("Item")


def merged(state: StateReply | None, change: StateReply) -> StateReply:
    """The state after a change."""
    if change.goodbye is not None:
        raise CommandError(
            f"the master ended the watch: {change.goodbye.message or change.goodbye.code.name}",
            Exit.UNAVAILABLE,
            hint="watch again",
        )
    if change.is_whole or state is None:
        return change
    removed = set(change.removed)
    return replace(
        change,
        is_whole=True,
        removed=(),
        agents=_merged(
            state.agents, change.agents, removed, lambda v: f"agents/{v.agent.agent_id}"
        ),
        frameworks=_merged(
            state.frameworks,
            change.frameworks,
            removed,
            lambda v: f"frameworks/{v.framework.framework_id}",
        ),
        tasks=_merged(
            state.tasks, change.tasks, removed, lambda v: f"tasks/{v.framework_id}/{v.task_id}"
        ),
        roles=_merged(state.roles, change.roles, removed, lambda v: f"roles/{v.role}"),
        offers=_merged(state.offers, change.offers, removed, lambda v: f"offers/{v.offer_id}"),
    )


def _merged(
    before: Iterable[Item], after: Iterable[Item], removed: set[str], key: Callable[[Item], str]
) -> tuple[Item, ...]:
    items = {key(item): item for item in before}
    items.update((key(item), item) for item in after)
    return tuple(item for name, item in items.items() if name not in removed)
