"""What the documents say of the tree is so."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from fairlead.cli.main import fairlead as root

ROOT = Path(__file__).parents[2]
FEATURES = ROOT / "docs/features.md"
ROW = re.compile(r"[A-Z]\d+")
SHOWN = re.compile(r"`([^`]+)::([^`]+)`")
LINK = re.compile(r"\]\((?!https?:)([^)]+)\)")
PAGES = (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))
MOST = 3
"""So many tests show one row; a reader wants to open them."""


def table() -> Iterator[tuple[str, ...]]:
    """Row, fact, tests, what is missing."""
    for line in FEATURES.read_text().splitlines():
        cells = tuple(cell.strip() for cell in line.strip().strip("|").split("|"))
        if line.startswith("|") and ROW.fullmatch(cells[0]):
            yield cells


@cache
def names_in(name: str) -> frozenset[str]:
    """The tests in a file below tests/."""
    path = ROOT / "tests" / name
    if not path.is_file():
        return frozenset()
    functions = [
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return frozenset(each for each in functions if each.startswith("test_"))


def test_features_are_a_table_of_four_columns_without_repetition() -> None:
    rows = list(table())
    assert len(rows) > 30
    assert {len(row) for row in rows} == {4}
    names = [row[0] for row in rows]
    assert len(names) == len(set(names))


def test_every_feature_names_tests_that_exist() -> None:
    missing = []
    for row, _, shown, _ in table():
        named = SHOWN.findall(shown)
        assert 1 <= len(named) <= MOST, f"{row} names {len(named)} tests"
        missing += [f"{row}: {file}::{test}" for file, test in named if test not in names_in(file)]
    assert not missing


def test_features_name_nothing_of_how_they_came_about() -> None:
    assert not re.findall(r"(?i)\bissues?\b|\bsessions? \d|#\d", FEATURES.read_text())


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_every_link_leads_somewhere() -> None:
    lost = []
    for page in PAGES:
        for link in LINK.findall(page.read_text()):
            file, _, anchor = link.partition("#")
            target = page.parent / file if file else page
            if not target.exists() or (anchor and anchor not in anchors(target)):
                lost.append(f"{page.name}: {link}")
    assert not lost


def test_every_page_is_found_from_the_first() -> None:
    linked = set(LINK.findall((ROOT / "README.md").read_text()))
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} - linked == set()


def leaves(verb: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    """`tasks logs` and all the others."""
    if isinstance(verb, click.Group):
        for each in verb.list_commands(context := click.Context(verb)):
            found = verb.get_command(context, each)
            assert found is not None
            yield from leaves(found, f"{name} {each}".strip())
    else:
        yield name, verb


def test_the_first_table_of_the_command_has_every_verb() -> None:
    rows = re.findall(r"^\| (`fairlead .*?) \|", (ROOT / "docs/cli.md").read_text(), re.MULTILINE)
    words = [set(re.findall(r"\w+", row.replace("\\|", " "))) for row in rows]
    verbs = [name for name, _ in leaves(root)]
    assert len(verbs) > 30
    assert [name for name in verbs if not any({*name.split()} <= row for row in words)] == []


@pytest.mark.parametrize("daemon", ["master", "agent"])
def test_every_flag_of_a_daemon_is_told_of(daemon: str) -> None:
    text = " ".join(page.read_text() for page in PAGES)
    flags = [flag for each in dict(leaves(root))[daemon].params for flag in each.opts]
    assert len(flags) > 10
    assert [flag for flag in flags if flag.startswith("--") and flag not in text] == []
