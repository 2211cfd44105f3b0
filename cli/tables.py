"""Tables for people: rich ones on a terminal, plain aligned text into a pipe.

The rows are the plain objects of `cli.views`. What comes from a cluster may hold anything, so
control characters are shown, never sent to the terminal.
"""

import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TextIO

from fairlead.common.dataclass import dataclass
from fairlead.common.resources import MILLIS, NAMES, counted, format_bytes, said

Cell = Callable[[Mapping[str, Any]], str]
GAP = 3  # between the columns of a rich table
STYLES = {
    "CONNECTED": "green",
    "RUNNING": "green",
    "FINISHED": "green",
    "FAILED": "red",
    "ERROR": "red",
    "DROPPED": "red",
    "GONE": "red",
    "UNREACHABLE": "red",
    "DISCONNECTED": "yellow",
    "RECOVERING": "yellow",
    "DRAINING": "yellow",
    "DRAINED": "cyan",
    "KILLED": "yellow",
    "KILLING": "yellow",
    "STAGING": "cyan",
}


UNITS: Mapping[str, Callable[[Any], str]] = {
    "_s": lambda value: f"{value:.4g} s",
    "_bytes": format_bytes,
    "_at": lambda value: time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(value)),
}
"""How keys end that name one, and what people are told instead."""


@dataclass(frozen=True, slots=True)
class Column:
    """A title, and what stands under it."""

    title: str
    cell: Cell
    is_number: bool = False
    may_wrap: bool = False
    """On a narrow terminal; names and states are never cut, people copy them."""


def print_table(
    columns: Sequence[Column], rows: Sequence[Mapping[str, Any]], empty: str, out: TextIO
) -> None:
    """All rows; or the line that says there are none, which is no data and goes to stderr."""
    if not rows:
        print(empty, file=out if out.isatty() else sys.stderr)
        return
    texts = [[visible(column.cell(row)) for column in columns] for row in rows]
    if out.isatty():
        _print_rich(columns, texts, out)
    else:
        out.write(plain_table(columns, texts))


def print_fields(shown: Mapping[str, Any]) -> None:
    """One object: a key and its value on each line, for people; what is empty is left out."""
    lines = dict(readable(key, value) for key, value in shown.items() if not is_empty(value))
    width = max(map(len, lines))
    for key, text in lines.items():
        print(f"{key:{width}}  {visible(text)}")


def is_empty(value: object) -> bool:
    return value is None or value in ("", [], {})


def readable(key: str, value: Any) -> tuple[str, str]:
    """The unit moves from the key to the value, and a time becomes one."""
    if key == "argv":
        return "command", shlex.join(value)
    if isinstance(value, dict):
        inner = [readable(*each) for each in value.items() if not is_empty(each[1])]
        return key, ", ".join(f"{name} {text}" for name, text in inner)
    if isinstance(value, list):
        return key, ", ".join(map(str, value))
    if not isinstance(value, int | float):
        return key, str(value)
    for ending, words in UNITS.items():
        if key.endswith(ending) and not key.endswith("_per_s"):
            return key.removesuffix(ending), words(value)
    return key, f"{value:.4g}" if isinstance(value, float) else str(value)


def plain_table(columns: Sequence[Column], texts: Sequence[Sequence[str]]) -> str:
    """Aligned text without colours, nothing cut off."""
    lines = [[column.title for column in columns], *texts]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    return "".join(
        "  ".join(
            text.rjust(width) if column.is_number else text.ljust(width)
            for text, width, column in zip(line, widths, columns, strict=True)
        ).rstrip()
        + "\n"
        for line in lines
    )


def _print_rich(columns: Sequence[Column], texts: Sequence[Sequence[str]], out: TextIO) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    needed = 0
    for index, column in enumerate(columns):
        justify: Literal["left", "right"] = "right" if column.is_number else "left"
        if column.may_wrap:
            width = len(column.title)
            table.add_column(column.title, justify=justify, overflow="fold", min_width=width)
        else:
            width = max(len(line[index]) for line in [[each.title for each in columns], *texts])
            table.add_column(column.title, justify=justify, no_wrap=True, min_width=width)
        needed += width + GAP
    for line in texts:
        table.add_row(*(Text(text, style=STYLES.get(text, "")) for text in line))
    console = Console(file=out, highlight=False)
    console.width = max(console.width, needed)
    console.print(table)


def visible(text: str) -> str:
    """The same text with control characters escaped: a task's name must not drive a terminal."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


# --- cells


def field(key: str) -> Cell:
    """The value of a key as it is; nothing for null."""
    return lambda row: "" if row[key] is None else str(row[key])


def used_of(key: str) -> Cell:
    """`0.5 / 4` of cpus or gpus."""
    return lambda row: f"{row['used'][key]:g} / {row[key]:g}"


def used_bytes_of(key: str) -> Cell:
    """`64 MiB / 8 GiB`."""
    return lambda row: f"{format_bytes(row['used'][key])} / {format_bytes(row[key])}"


def amount(resources: Mapping[str, Any]) -> str:
    """`1 cpu, 128 MiB mem`, in the words of Resources."""
    parts = [counted(resources["cpus"], "cpu")] if resources["cpus"] else []
    parts += [f"{format_bytes(resources['mem_bytes'])} mem"] if resources["mem_bytes"] else []
    parts += [f"{format_bytes(resources['disk_bytes'])} disk"] if resources["disk_bytes"] else []
    parts += [counted(resources["gpus"], "gpu")] if resources["gpus"] else []
    return ", ".join(parts) or "nothing"


def amount_named(amounts: Mapping[str, Any]) -> str:
    """Of a quota: `4 cpus, 0 gpus`; what is not named is left out."""
    return ", ".join(
        said(name, round(value * MILLIS) if name in ("cpus", "gpus") else value)
        for name in NAMES
        if (value := amounts[name if name in amounts else f"{name}_bytes"]) is not None
    )


def in_tree(row: Mapping[str, Any]) -> str:
    """The name of a role, below that of its parent."""
    role: str = row["role"]
    return "  " * role.count("/") + role


def holding(task: Mapping[str, Any]) -> str:
    """What it was given; of a suspended one also what of that it does not hold just now."""
    held = task["held"]
    if task["state"] != "SUSPENDED":
        return amount(task)
    quantities = ("cpus", "mem_bytes", "disk_bytes", "gpus")
    given_up = {key: round(task[key] - held[key], 3) for key in quantities}
    return (
        f"{amount(held)}; {amount(given_up)} given up" if any(given_up.values()) else amount(held)
    )


def ending(row: Mapping[str, Any]) -> str:
    """How a task ended: its exit code, or the signal."""
    if row["signal"] is not None:
        return f"signal {row['signal']}"
    return "" if row["exit_code"] is None else str(row["exit_code"])


AGENTS = (
    Column("NAME", field("name")),
    Column("STATE", field("state")),
    Column("TASKS", field("tasks"), is_number=True),
    Column("CPUS", used_of("cpus"), is_number=True),
    Column("MEM", used_bytes_of("mem_bytes"), is_number=True),
    Column("GPUS", used_of("gpus"), is_number=True),
    Column("BUSY", lambda row: f"{row['usage']['cpu_percent']:.0f}%", is_number=True),
    Column("ISOLATION", field("isolation"), may_wrap=True),
    Column("ADDRESS", field("address"), may_wrap=True),
    Column("ID", field("agent_id")),
)
FRAMEWORKS = (
    Column("NAME", field("name")),
    Column("STATE", field("state")),
    Column("ROLES", lambda row: ", ".join(row["roles"]), may_wrap=True),
    Column("TASKS", field("tasks"), is_number=True),
    Column("USED", lambda row: amount(row["used"]), may_wrap=True),
    Column("SHARE", lambda row: f"{100 * row['dominant_share']:.0f}%", is_number=True),
    Column("WANTS", field("wanted"), is_number=True),
    Column("ID", field("framework_id")),
)
_WEIGHT = Column("WEIGHT", lambda row: f"{row['weight']:g}", is_number=True)
_SHARE = Column("SHARE", lambda row: f"{100 * row['dominant_share']:.0f}%", is_number=True)
_HOLDS = Column("HOLDS", lambda row: amount(row["held"]), may_wrap=True)
_GUARANTEED = Column("GUARANTEED", lambda row: amount_named(row["guarantees"]), may_wrap=True)
_LIMIT = Column("LIMIT", lambda row: amount_named(row["limits"]), may_wrap=True)
ROLES = (
    Column("ROLE", in_tree),
    _WEIGHT,
    Column("FRAMEWORKS", field("frameworks"), is_number=True),
    _SHARE,
    _HOLDS,
    Column("OF THAT OFFERED", lambda row: amount(row["offered"]), may_wrap=True),
    _GUARANTEED,
    _LIMIT,
    Column("RESERVED", lambda row: amount(row["reserved"]), may_wrap=True),
)
WEIGHTS = (Column("ROLE", field("role")), _WEIGHT, _SHARE, _HOLDS)
QUOTAS = (Column("ROLE", field("role")), _GUARANTEED, _LIMIT, _HOLDS)
RESERVATIONS = (
    Column("AGENT", field("agent")),
    Column("STATE", field("agent_state")),
    Column("ROLE", field("role")),
    Column("RESERVED", amount, may_wrap=True),
    Column("GPUS", lambda row: " ".join(row["gpu_ids"]), may_wrap=True),
    Column("OF THAT FIXED", lambda row: amount(row["fixed"]), may_wrap=True),
)
TASKS = (
    Column("TASK", field("task_id")),
    Column("NAME", field("name")),
    Column("STATE", field("state")),
    Column("EXIT", ending, is_number=True),
    Column("AGENT", lambda row: row["agent"] or row["agent_id"]),
    Column("FRAMEWORK", lambda row: row["framework"] or row["framework_id"]),
    Column("RESOURCES", holding, may_wrap=True),
    Column("MESSAGE", field("message"), may_wrap=True),
)
OFFERS = (
    Column("OFFER", field("offer_id")),
    Column("AGENT", lambda row: row["agent"] or row["agent_id"]),
    Column("FRAMEWORK", lambda row: row["framework"] or row["framework_id"]),
    Column("ROLE", field("role")),
    Column("RESOURCES", amount, may_wrap=True),
)
