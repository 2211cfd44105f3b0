"""What the documents say of the tree is so."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
FEATURES = ROOT / "docs/features.md"
ROW = re.compile(r"[A-Z]\d+")
SHOWN = re.compile(r"`([^`]+)::([^`]+)`")
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
