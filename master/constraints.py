"""Whether an agent is one that a framework would take; used by the allocator."""

from collections.abc import Callable, Mapping

from fairlead.common.values import AgentInfo, AllOf, Comparison, Constraints, Predicate

_TESTS: Mapping[Comparison, Callable[[str | None, tuple[str, ...]], bool]] = {
    Comparison.EXISTS: lambda value, _: value is not None,
    Comparison.NOT_EXISTS: lambda value, _: value is None,
    Comparison.EQUALS: lambda value, values: value is not None and values[:1] == (value,),
    Comparison.NOT_EQUALS: lambda value, values: values[:1] != (value,),
    Comparison.IN: lambda value, values: value is not None and value in values,
    Comparison.NOT_IN: lambda value, values: value not in values,
}

SUPPORTED = frozenset(_TESTS)


def attributes_of(agent: AgentInfo) -> Mapping[str, str]:
    """The attributes that predicates see: the agent's own, and its name, host, zone and rack."""
    place = {"hostname": agent.hostname, "zone": agent.zone, "rack": agent.rack, "name": agent.name}
    return {**{key: value for key, value in place.items() if value}, **agent.attributes}


def admits(constraints: Constraints, agent: AgentInfo) -> bool:
    """Any group suffices; no group at all means every agent."""
    if not constraints.any_of:
        return True
    attributes = attributes_of(agent)
    return any(_holds(group, attributes) for group in constraints.any_of)


def unsupported(constraints: Constraints) -> Predicate | None:
    """The first predicate that this version cannot judge."""
    groups = (*constraints.any_of, *constraints.preferred)
    predicates = (predicate for group in groups for predicate in group.predicates)
    return next((p for p in predicates if p.comparison not in SUPPORTED), None)


def _holds(group: AllOf, attributes: Mapping[str, str]) -> bool:
    return all(
        _TESTS[predicate.comparison](attributes.get(predicate.attribute), predicate.values)
        for predicate in group.predicates
    )
