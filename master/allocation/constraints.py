"""Whether an agent is one that a framework would take, or takes rather than others.

Patterns are RE2's, whose time grows with the length of a text and with nothing else, whoever wrote
them. Each is compiled once, into a bounded memory.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache

import re2

from fairlead.common.sizes import text_bytes
from fairlead.common.values import AgentInfo, AllOf, Comparison, Constraints, Predicate

MAX_PATTERN_BYTES = 256
MAX_PATTERNS = 100
"""Different ones, in one call."""
_COMPILED_BYTES = 64 * 1024
"""What one pattern may grow to; `[^x]{200}` is too large."""

Wrong = tuple[str, str]
"""A field, and what is wrong with it."""


def _matches(value: str | None, patterns: tuple[str, ...]) -> bool:
    return value is not None and _compiled(patterns[0]).fullmatch(value) is not None


_TESTS: Mapping[Comparison, Callable[[str | None, tuple[str, ...]], bool]] = {
    Comparison.EXISTS: lambda value, _: value is not None,
    Comparison.NOT_EXISTS: lambda value, _: value is None,
    Comparison.EQUALS: lambda value, values: value == values[0],
    Comparison.NOT_EQUALS: lambda value, values: value != values[0],
    Comparison.MATCHES: _matches,
    Comparison.NOT_MATCHES: lambda value, values: not _matches(value, values),
    Comparison.IN: lambda value, values: value in values,
    Comparison.NOT_IN: lambda value, values: value not in values,
}

_OF_ONE_VALUE = (
    Comparison.EQUALS,
    Comparison.NOT_EQUALS,
    Comparison.MATCHES,
    Comparison.NOT_MATCHES,
)


def attributes_of(agent: AgentInfo) -> Mapping[str, str]:
    """The attributes that predicates see: the agent's own, and its name, host, zone and rack."""
    place = {"hostname": agent.hostname, "zone": agent.zone, "rack": agent.rack, "name": agent.name}
    return {**{key: value for key, value in place.items() if value}, **agent.attributes}


def admits(constraints: Constraints, agent: AgentInfo) -> bool:
    """Any group suffices; no group at all means every agent."""
    return not constraints.any_of or _any_holds(constraints.any_of, agent)


def prefers(constraints: Constraints, agent: AgentInfo) -> bool:
    """Whether one of the preferred groups holds; who prefers nothing takes any agent as it is."""
    return bool(constraints.preferred) and _any_holds(constraints.preferred, agent)


def _any_holds(groups: Iterable[AllOf], agent: AgentInfo) -> bool:
    attributes = attributes_of(agent)
    return any(_holds(group, attributes) for group in groups)


def _holds(group: AllOf, attributes: Mapping[str, str]) -> bool:
    return all(
        _TESTS[predicate.comparison](attributes.get(predicate.attribute), predicate.values)
        for predicate in group.predicates
    )


# --- judged before they are believed


def bad_constraints(constraints: Constraints) -> Wrong | None:
    """The first predicate that is none, by the name of its field."""
    for field, predicate in _predicates(constraints):
        if (wrong := _bad_predicate(predicate)) is not None:
            return f"{field}.{wrong[0]}", wrong[1]
    return None


def patterns_of(constraints: Constraints) -> Iterator[str]:
    """Those that would have to be compiled."""
    for _, predicate in _predicates(constraints):
        if _is_pattern(predicate):
            yield from predicate.values[:1]


def _predicates(constraints: Constraints) -> Iterator[tuple[str, Predicate]]:
    for name, groups in (("any_of", constraints.any_of), ("preferred", constraints.preferred)):
        for index, group in enumerate(groups):
            for position, predicate in enumerate(group.predicates):
                yield f"{name}[{index}].predicates[{position}]", predicate


def _is_pattern(predicate: Predicate) -> bool:
    return predicate.comparison in (Comparison.MATCHES, Comparison.NOT_MATCHES)


def _bad_predicate(predicate: Predicate) -> Wrong | None:
    comparison, values = predicate.comparison, predicate.values
    if comparison not in _TESTS:
        return "comparison", "says nothing"
    if comparison in _OF_ONE_VALUE and len(values) != 1:
        return "values", f"has {len(values)}; {comparison.name} takes one"
    if not _is_pattern(predicate):
        return None
    if (size := text_bytes(values[0])) > MAX_PATTERN_BYTES:
        return "values[0]", f"has {size} bytes; a pattern may have {MAX_PATTERN_BYTES}"
    try:
        _compiled(values[0])
    except re2.error as error:
        why = error.args[0].decode(errors="replace")
        return "values[0]", f"{values[0]!r} is no pattern that RE2 can use: {why}"
    return None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> "re2._Regexp":
    options = re2.Options()
    options.max_mem = _COMPILED_BYTES
    options.log_errors = False
    return re2.compile(pattern, options)
