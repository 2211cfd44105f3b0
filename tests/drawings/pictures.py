"""The pictures of docs/lives.md, out of the code: the agent's table of states, the kinds of events
of an offer, and a conversation that the tests hold with a master.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from fairlead.agent.state import TABLE, Seen
from fairlead.common.operators import OfferEventKind
from fairlead.common.values import TaskState

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/lives.md"
SCRIPT = ROOT / "tests/scripts/m10_suspend_resize.txt"
FIRST, BEHIND = "> a accepts o-1-2: suspend t1", "> a accepts o-1-3: resize"
"""The part of the script that is drawn."""
BOX = re.compile(r"(<!-- drawn: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
SAID = re.compile(r"(offer|rescind|order|status|answer|revoke)( \S+)? to ([\w-]+): (.*)")
MANY = 3
"""What follows from so many states is drawn once, from all of them together."""

Picture = Callable[[], Iterator[str]]
Edge = tuple[str, str, str]
"""From, what was seen, to."""


def task() -> Iterator[str]:
    """States in which the same things may happen stand in one box."""
    sources: dict[tuple[Seen, TaskState], list[TaskState]] = {}
    for (state, seen), following in TABLE.items():
        sources.setdefault((seen, following), []).append(state)
    shared = {edge: states for edge, states in sources.items() if len(states) >= MANY}
    together = [s for s in TaskState if all(s in states for states in shared.values())]
    alone = [
        (state.name, seen.value, following.name)
        for (state, seen), following in TABLE.items()
        if (seen, following) not in shared or state not in together
    ]
    yield "stateDiagram-v2"
    yield f"  [*] --> {TaskState.STAGING.name}"
    yield "  state living {"
    inside = [state.name for state in together]
    yield from (f"    {name}" for name in inside)
    yield from _arrows(((a, b, c) for a, b, c in alone if {a, c} <= {*inside}), "    ")
    yield "  }"
    yield from _arrows((edge for edge in alone if not {edge[0], edge[2]} <= {*inside}), "  ")
    yield from _arrows((("living", seen.value, to.name) for seen, to in shared), "  ")
    reached = {*TABLE.values()}
    yield from (f"  {s.name} --> [*]" for s in TaskState if s in reached and s.is_terminal)


def offer() -> Iterator[str]:
    """MADE once, and one of the others once."""
    said = _docstrings(OfferEventKind)
    first, *ends = [kind for kind in OfferEventKind if kind is not OfferEventKind.UNSPECIFIED]
    yield "stateDiagram-v2"
    yield f"  [*] --> {first.name}: {said[first.name]}"
    yield from (f"  {first.name} --> {end.name}: {said[end.name]}" for end in ends)
    yield from (f"  {end.name} --> [*]" for end in ends)


def accept() -> Iterator[str]:
    """Who says what to whom; what a peer does by itself is a note."""
    lines = SCRIPT.read_text().splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith(FIRST))
    behind = next(n for n, line in enumerate(lines) if line.startswith(BEHIND))
    yield "sequenceDiagram"
    yield from (f"  participant {name}" for name in ("a", "master", "agent-1"))
    for line in lines[first:behind]:
        if found := SAID.fullmatch(line.strip()):
            kind, offer_id, to, text = found.groups("")
            yield f"  master->>{to}: {_label(f'{kind}{offer_id}: {text}')}"
        elif line.startswith("> a "):
            yield f"  a->>master: {_label(line.removeprefix('> a '))}"
        elif line.startswith("> agent-1"):
            yield f"  Note over agent-1: {_label(line.removeprefix('> agent-1').lstrip(': '))}"


def drawn(text: str) -> str:
    """The page with each picture as the code has it now."""
    pictures = {"task": task, "offer": offer, "accept": accept}

    def draw(found: re.Match[str]) -> str:
        lines = "\n".join(pictures[found[2]]())
        return f"{found[1]}```mermaid\n{lines}\n```\n{found[3]}"

    return BOX.sub(draw, text)


def _arrows(edges: Iterable[Edge], margin: str) -> Iterator[str]:
    """One for each pair, whatever leads from the one to the other."""
    labels: dict[tuple[str, str], list[str]] = {}
    for origin, label, target in edges:
        labels.setdefault((origin, target), []).append(label)
    for (origin, target), seen in labels.items():
        yield f"{margin}{origin} --> {target}: {', '.join(seen)}"


def _docstrings(kind: type) -> dict[str, str]:
    """What stands under each member of an enum."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(node, ast.ClassDef)
    said = {}
    for member, words in zip(node.body, node.body[1:], strict=False):
        match member, words:
            case (
                ast.Assign(targets=[ast.Name(name)]),
                ast.Expr(ast.Constant(str(text))),
            ):
                said[name] = text[0].lower() + text[1:].rstrip(".")
            case _:
                pass
    return said


def _label(text: str) -> str:
    """Mermaid ends a line at a semicolon."""
    return text.replace("; ", "<br/>")
