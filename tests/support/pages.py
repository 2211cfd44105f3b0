"""The code that stands in a page of the documentation, so that it can be run."""

import itertools
import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def code_of(page: str, language: str = "python") -> list[str]:
    """Its blocks in that language, in order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def table_of(page: str, header: str) -> list[list[str]]:
    """The rows of the table whose first line begins so, cell by cell, without formatting."""
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    (first,) = (number for number, line in enumerate(lines) if line.startswith(header))
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines[first + 2 :])
    return [[cell.strip().replace("`", "") for cell in row.strip("|").split("|")] for row in rows]


def says(page: str, sentence: str) -> bool:
    """Whether that stands there, wherever its lines are broken."""
    return sentence in " ".join((DOCS / page).read_text(encoding="utf-8").split())
