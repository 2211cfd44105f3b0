"""Each script of a conversation is one test. `REWRITE=1 .venv/bin/python -m pytest tests/scripts`
writes into them what the master says now: read the difference before you commit it.
"""

import os
from pathlib import Path

import pytest
from tests.support.script import check, rewritten
from tests.support.script_parts import ScriptError

HERE = Path(__file__).parent
SCRIPTS = sorted(HERE.glob("*.txt"))
MOST_LINES = 60
ROWS = [f"m{number:02}" for number in range(1, 38)]
"""Of `docs/features.md`: what a master does."""


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_the_master_says_what_the_script_says(path: Path) -> None:
    wrong = check(path, rewrite=bool(os.environ.get("REWRITE")))
    assert not wrong, f"\n{wrong}"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_begins_with_prose_and_is_short(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert lines[0][:1].isalpha()
    assert len(lines) <= MOST_LINES


def test_every_row_of_the_master_has_its_script() -> None:
    assert [path.stem[:3] for path in SCRIPTS] == ROWS


def test_what_is_expected_and_does_not_come_is_shown_beside_what_does(tmp_path: Path) -> None:
    script = tmp_path / "wrong.txt"
    script.write_text(
        "A script.\n\n> agent h has 2 cpus\n> framework a\n    offer o-1-1 to a: all\n"
    )
    shown = check(script, rewrite=False)
    assert "!     offer o-1-1 to a: all " in shown
    assert "|     offer o-1-1 to a: 2 cpus on h" in shown
    assert check(script, rewrite=True) == ""
    assert check(script, rewrite=False) == ""


def test_a_sentence_that_nobody_understands_is_named_with_its_line() -> None:
    with pytest.raises(ScriptError, match="line 3: nobody understands 'agent h sings'"):
        rewritten("A script.\n\n> agent h sings\n")
