"""What the benchmark programs share: their options, and how a figure and its machine are said.

A program beside it says `from measure import Report, repeat`; each figure is the median of its
runs with the least and the most, one line each, or one JSON object for all with `-o json`. A figure
that does not reach what was asked says so in its line, and once more at the end.
What is measured, and how, is each program's own business.
"""

import argparse
import json
import os
import platform
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RUNS = 5


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The options of every benchmark, to which a program adds its own."""
    first = (description or "").splitlines()[:1]
    parser = argparse.ArgumentParser(description="".join(first).replace("%", "%%"))
    parser.add_argument("--runs", type=int, default=RUNS, help=f"how often ({RUNS})")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    return parser


def machine() -> str:
    """The machine that all figures depend on, in one line."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return (
        f"{cores} cores ({processor()}), {memory:.0f} GiB memory, Linux {platform.release()},"
        f" Python {platform.python_version()}"
    )


def processor() -> str:
    """Its name as the kernel knows it, or its architecture where the kernel has no name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def quantile(values: Sequence[float], share: float) -> float:
    """The least value that `share` of all do not exceed: quantile(took, 0.99)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def repeat(measure: Callable[[], float], runs: int) -> list[float]:
    return [measure() for _ in range(runs)]


@dataclass(frozen=True, slots=True)
class Figure:
    """What several runs measured, and what was asked of the median: `≤ 20`, or nothing."""

    name: str
    unit: str
    values: tuple[float, ...]
    asked: str = ""
    beside: str = ""
    """What another takes for the same."""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def is_missed(self) -> bool:
        sign, _, bound = self.asked.partition(" ")
        if not bound:
            return False
        asked = float(bound.replace(",", ""))
        return self.median > asked if sign == "≤" else self.median < asked

    def line(self) -> str:
        said = f"{number(self.median)} {self.unit}"
        if len(self.values) > 1:
            least, most = number(min(self.values)), number(max(self.values))
            said += f" ({least} … {most}, {len(self.values)} runs)"
        verdict = ": MISSED" if self.is_missed else ""
        asked = f", asked {self.asked}{verdict}" if self.asked else ""
        beside = f"; {self.beside}" if self.beside else ""
        return f"{self.name:<44} {said}{asked}{beside}"

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "unit": self.unit,
            "median": self.median,
            "min": min(self.values),
            "max": max(self.values),
            "runs": list(self.values),
            "asked": self.asked,
            "missed": self.is_missed,
            "beside": self.beside,
        }


def number(value: float) -> str:
    """With three significant digits below a thousand, whole and with commas above."""
    if abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.{0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2}f}"


@dataclass
class Report:
    """Says each figure as soon as it is known, or all of them as JSON at the end."""

    as_json: bool
    figures: list[Figure] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.as_json:
            print(f"# {Path(sys.argv[0]).stem}: {machine()}", flush=True)

    def add(
        self, name: str, unit: str, values: Sequence[float], asked: str = "", beside: str = ""
    ) -> None:
        figure = Figure(name, unit, tuple(values), asked, beside)
        self.figures.append(figure)
        if not self.as_json:
            print(figure.line(), flush=True)

    def note(self, text: str) -> None:
        """A line for people: what went before a figure, or qualifies it."""
        if not self.as_json:
            print(f"  {text}", flush=True)

    def end(self) -> None:
        missed = [figure for figure in self.figures if figure.is_missed]
        if missed and not self.as_json:
            asked = sum(bool(figure.asked) for figure in self.figures)
            print(f"MISSED: {len(missed)} of {asked} figures of which something was asked")
        for figure in missed if not self.as_json else ():
            print(f"  {figure.line()}", flush=True)
        if self.as_json:
            figures = [figure.as_json() for figure in self.figures]
            told = {"benchmark": Path(sys.argv[0]).stem, "machine": machine(), "figures": figures}
            print(json.dumps(told, ensure_ascii=False), flush=True)
