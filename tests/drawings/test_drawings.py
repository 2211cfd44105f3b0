"""The pictures of docs/lives.md are those of the code, and show what happens."""

import itertools

import pytest
from tests.drawings import pictures
from tests.support.script import COMMAND
from tests.support.script_words import Conversation

from fairlead.agent.state import TABLE
from fairlead.common.operators import OfferEventKind
from fairlead.common.values import TaskState

SCRIPTS = sorted((pictures.ROOT / "tests/scripts").glob("*.txt"))


def test_the_page_has_the_pictures_of_the_code() -> None:
    text = pictures.PAGE.read_text(encoding="utf-8")
    assert len(pictures.BOX.findall(text)) == 3
    assert pictures.drawn(text) == text, "docs/lives.md is of another version; run: make docs"


def test_the_picture_of_a_task_shows_every_entry_of_the_table() -> None:
    arrows: dict[tuple[str, str], list[str]] = {}
    for line in pictures.task():
        origin, is_arrow, rest = line.strip().partition(" --> ")
        target, _, label = rest.partition(": ")
        if is_arrow:
            arrows[origin, target] = label.split(", ")
    for (state, seen), following in TABLE.items():
        own, shared = (arrows.get((a, following.name), []) for a in (state.name, "living"))
        assert seen.value in own + shared, f"{state.name}, {seen.value}"
    ends = {state.name for state in TaskState if (state.name, "[*]") in arrows}
    assert ends == {state.name for state in TABLE.values() if state.is_terminal}


@pytest.mark.parametrize("picture", [pictures.task, pictures.offer], ids=["task", "offer"])
def test_no_label_has_what_ends_a_label(picture: pictures.Picture) -> None:
    for line in picture():
        assert ":" not in line.partition(": ")[2], line
        assert ";" not in line, line


def test_every_offer_is_made_and_ends_once_in_each_of_the_ways_that_are_drawn() -> None:
    """In all conversations that the tests hold with a master."""
    seen: dict[OfferEventKind, None] = {}
    for script in SCRIPTS:
        talk = Conversation()
        for line in script.read_text().splitlines():
            if line.startswith(COMMAND):
                talk.hear(line.removeprefix(COMMAND))
        entries = talk.harness.master.offer_log.since(1, 1000)
        assert entries is not None
        by_offer = sorted(entries, key=lambda entry: (entry.offer.offer_id, entry.number))
        for _, group in itertools.groupby(by_offer, lambda entry: entry.offer.offer_id):
            first, *ends = (entry.kind for entry in group)
            assert first is OfferEventKind.MADE, script.stem
            assert len(ends) <= 1, script.stem
            seen |= dict.fromkeys(ends)
    drawn = {kind for kind in OfferEventKind if f"--> {kind.name}:" in "\n".join(pictures.offer())}
    assert {OfferEventKind.MADE, *seen} == drawn
