"""The page for authors of schedulers: its code runs, and it names all there is."""

from pathlib import Path
from typing import Any, get_args

import pytest
from tests.support.pages import DOCS, code_of

from fairlead.frameworks.kit.scheduler import SchedulerAction, SchedulerEvent

PAGE = "writing-a-framework.md"


def test_what_the_page_shows_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler, test = code_of(PAGE)
    (tmp_path / "counts.py").write_text(scheduler)
    monkeypatch.syspath_prepend(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(test, PAGE, "exec"), names)  # noqa: S102 - it is our own page
    names["test_what_is_lost_runs_again"]()


@pytest.mark.parametrize("kinds", [SchedulerEvent, SchedulerAction], ids=["events", "actions"])
def test_the_page_names_each_event_and_each_action(kinds: Any) -> None:
    text = (DOCS / PAGE).read_text(encoding="utf-8")
    names = {kind.__name__ for kind in get_args(kinds)} - {"object"}
    assert len(names) > 5
    assert {name for name in names if f"`{name}`" not in text} == set()
