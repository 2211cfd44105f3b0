"""What many simulated lives reached together: events, faults by kind, handlers of every core."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import get_args

from fairlead.agent.events import Event as AgentEvent
from fairlead.common.messages import RegisterAgent, ToAgentBody, ToFrameworkBody
from fairlead.frameworks.kit.events import DriverEvent
from fairlead.master.core import Master
from fairlead.master.settings import MasterSettings

from .faults import KINDS
from .world import Report


def handlers() -> dict[str, tuple[str, ...]]:
    """Core → the events and messages that it answers to."""
    master = (*Master(MasterSettings(), 1, "", Random(0)).handlers(), RegisterAgent)
    agent = (*get_args(AgentEvent), *get_args(ToAgentBody))
    framework = (*get_args(DriverEvent), *get_args(ToFrameworkBody))
    return {
        core: tuple(dict.fromkeys(kind.__name__ for kind in kinds if _is_counted(kind)))
        for core, kinds in (("master", master), ("agent", agent), ("framework", framework))
    }


def _is_counted(kind: type) -> bool:
    """A received message is counted under its own name."""
    return kind.__name__ != "Received"


@dataclass(slots=True)
class Tally:
    """Sums over reports."""

    lives: int = 0
    virtual_s: float = 0.0
    steps: int = 0
    events: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    effects: dict[str, int] = field(default_factory=dict)
    failed: list[int] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    """The first, and the last."""

    def add(self, report: Report) -> None:
        self.lives += 1
        self.seeds = [*self.seeds[:1], report.seed]
        self.virtual_s += report.virtual_s
        self.steps += report.steps
        for mine, theirs in (
            (self.events, report.events),
            (self.faults, report.faults),
            (self.effects, report.effects),
        ):
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count
        if report.failure:
            self.failed.append(report.seed)

    def reached(self) -> dict[str, int]:
        """Every handler and how often it was reached, those never reached included."""
        return {
            f"{core}: {name}": self.events.get(f"{core}: {name}", 0)
            for core, names in handlers().items()
            for name in names
        }

    def struck(self) -> dict[str, int]:
        """Every kind of fault and how often, those that never came included."""
        return {kind: self.faults.get(kind, 0) for kind in KINDS}

    def range(self) -> str:
        return f"seeds {'-'.join(map(str, self.seeds)) or 'none'}"

    def coverage(self) -> str:
        """In one line: what was reached, of what there is; what was not, by name."""
        struck, reached = self.struck(), self.reached()
        missed = [name for name, count in {**struck, **reached}.items() if not count]
        return (
            f"coverage: {sum(self.events.values()):,} events,"
            f" {len(struck) - sum(not c for c in struck.values())} of {len(struck)} faults,"
            f" {len(reached) - sum(not c for c in reached.values())} of {len(reached)} handlers"
            + (f"; never: {', '.join(missed)}" if missed else "")
        )

    def lines(self) -> Iterator[str]:
        yield (
            f"{self.lives} lives, {self.virtual_s:,.0f} virtual seconds, {self.steps:,} steps,"
            f" {sum(self.faults.values()):,} faults, {len(self.failed)} failed"
        )
        yield self.coverage()
        yield from _table("faults by kind", self.struck())
        yield from _table("side effects", self.effects)
        reached = self.reached()
        none = [name for name, count in reached.items() if not count]
        yield from _table(f"handlers ({len(reached) - len(none)} of {len(reached)})", reached)


def _table(title: str, counts: Mapping[str, int]) -> Iterator[str]:
    yield f"{title}:"
    for name, count in sorted(counts.items()):
        yield f"  {count:9,}  {name}"
