"""The parts of a script's sentences: quantities, tasks, demands, predicates, steps of an accept."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from fairlead.common.ids import LaunchUuid, Role, TaskId
from fairlead.common.resources import Resources
from fairlead.common.values import (
    AllOf,
    Command,
    Comparison,
    Constraints,
    Demand,
    Launch,
    LaunchGroup,
    Operation,
    Predicate,
    Reserve,
    Resize,
    Resume,
    RoleWish,
    Suspend,
    TaskInfo,
    Unreserve,
)

GIB = 2**30
KINDS = {"cpu": "cpus", "gpu": "gpus", "GiB mem": "mem", "GiB disk": "disk"}
QUANTITY = re.compile(r"(-?[\d.e+]+|nan) (cpu|gpu|GiB mem|GiB disk)s?")


class ScriptError(Exception):
    """A line of a script that nobody understands."""


def quantities(text: str) -> Mapping[str, float]:
    """`4 cpus, 8 GiB mem, 1 gpu`, mem and disk in bytes."""
    found = {}
    for part in text.split(", "):
        match = QUANTITY.fullmatch(part.strip())
        if match is None:
            raise ScriptError(f"{part!r} is not like '4 cpus', '1 gpu' or '8 GiB mem'")
        scale = GIB if match[2].startswith("GiB") else 1
        found[KINDS[match[2]]] = float(match[1]) * scale
    return found


def sizes(text: str) -> tuple[Resources, ...]:
    """`2 cpus or 1 gpu`."""
    return tuple(map(resources, text.split(" or ")))


def resources(text: str) -> Resources:
    """Of no device by name."""
    if text == "nothing":
        return Resources()
    each = quantities(text)
    return Resources.of(
        each.get("cpus", 0),
        int(each.get("mem", 0)),
        int(each.get("disk", 0)),
        each.get("gpus", 0),
    )


def grains(text: str) -> Mapping[str, int]:
    """As a quota names them: thousandths of cpus and gpus, bytes."""
    named = quantities(text)
    return {kind: round(n * (1000 if kind in ("cpus", "gpus") else 1)) for kind, n in named.items()}


def task(text: str) -> TaskInfo:
    """`t1 of 1 cpu, 1 GiB mem, priority 2`, `t1 of 1 cpu, 1 GiB mem, revocable`."""
    text, _, priority = text.partition(", priority ")
    text, revocable, _ = text.partition(", revocable")
    named, _, size = text.partition(" of ")
    command = Command(("sleep", "1"))
    return TaskInfo(
        TaskId(named),
        named,
        command,
        resources(size),
        priority=int(priority or 0),
        revocable=bool(revocable),
    )


def launch(text: str) -> Launch:
    """Its uuid is its id with a prefix."""
    info = task(text)
    return Launch(info, LaunchUuid(f"u-{info.task_id}"))


def demand(text: str) -> Demand:
    """`3 of 1 cpu`, `3 of 1 cpu as a gang`, `2 of 1 gpu where disk is ssd`."""
    text, _, predicates = text.partition(" where ")
    count, of, size = text.removesuffix(" as a gang").partition(" of ")
    if not of:
        raise ScriptError(f"{text!r} is not like '3 of 1 cpu'")
    where = Constraints((group(predicates),)) if predicates else Constraints()
    return Demand(resources(size), int(count), where, gang=text.endswith(" as a gang"))


def demands(text: str) -> tuple[Demand, ...]:
    """Several with `and also` between them; `nothing` is none."""
    return () if text == "nothing" else tuple(map(demand, text.split(" and also ")))


def group(text: str) -> AllOf:
    """`disk is ssd and zone is not east`, `rack exists`, `disk matches s.*`, `zone is in a b`."""
    return AllOf(tuple(_predicate(each) for each in text.split(" and ")))


_COMPARISONS = (
    (" is not in ", Comparison.NOT_IN),
    (" is in ", Comparison.IN),
    (" is not ", Comparison.NOT_EQUALS),
    (" is ", Comparison.EQUALS),
    (" does not match ", Comparison.NOT_MATCHES),
    (" matches ", Comparison.MATCHES),
    (" does not exist", Comparison.NOT_EXISTS),
    (" exists", Comparison.EXISTS),
)


def _predicate(text: str) -> Predicate:
    for words, comparison in _COMPARISONS:
        attribute, found, value = text.partition(words)
        if found:
            several = comparison in (Comparison.IN, Comparison.NOT_IN)
            values = tuple(value.split()) if several else (value,) if value else ()
            return Predicate(attribute, comparison, values)
    raise ScriptError(f"{text!r} says nothing about an attribute")


def operations(text: str) -> tuple[Operation, ...]:
    """`launch t1 of 1 cpu; suspend t2; resize t3 to 2 cpus`."""
    return tuple(_operations(text)) if text else ()


def _operations(text: str) -> Iterator[Operation]:
    for step in text.split("; "):
        verb, _, rest = step.partition(" ")
        match verb:
            case "launch" if rest.startswith("together "):
                tasks = rest.removeprefix("together ").split(" and ")
                yield LaunchGroup(tuple(launch(each) for each in tasks))
            case "launch":
                yield launch(rest)
            case "suspend":
                yield Suspend(TaskId(rest.removesuffix(" and its cpus")), rest.endswith("cpus"))
            case "resume":
                yield Resume(TaskId(rest))
            case "resize":
                named, _, size = rest.partition(" to ")
                yield Resize(TaskId(named), resources(size))
            case "reserve" | "unreserve":
                size, _, role = rest.partition(" for ")
                kind = Reserve if verb == "reserve" else Unreserve
                yield kind(Role(role), resources(size))
            case _:
                raise ScriptError(f"{step!r} is no step of an accept")


@dataclass
class Stranger:
    """A framework as the clauses of its first sentence describe it."""

    roles: list[str]
    demands: tuple[Demand, ...] | None = None
    wish: RoleWish = RoleWish(Role(""))
    away_s: float = 3600.0
    capabilities: tuple[str, ...] = ()

    def hear(self, clause: str) -> None:
        verb, _, rest = clause.partition(" ")
        match verb:
            case "role":
                self.roles = rest.split(" and ")
            case "wants":
                self.demands = demands(rest)
            case "away":
                self.away_s = float(rest.removeprefix("for at most ").removesuffix(" s"))
            case "can":
                self.capabilities = (rest,)
            case _:
                self.wish = self._wish(verb, rest)

    def _wish(self, verb: str, rest: str) -> RoleWish:
        said = rest.partition(" ")[2]
        match verb:
            case "only":
                any_of = tuple(map(group, said.split(" or ")))
                return replace(self.wish, constraints=replace(self.wish.constraints, any_of=any_of))
            case "best":
                best = (group(said),)
                return replace(
                    self.wish, constraints=replace(self.wish.constraints, preferred=best)
                )
            case "apart":
                return replace(self.wish, keep_apart=(Role(said),))
            case "takes":
                least = sizes(rest.removeprefix("no less than "))
                return replace(self.wish, minimum_offers=least)
            case _:
                raise ScriptError(f"'{verb} {rest}' says nothing about a framework")
