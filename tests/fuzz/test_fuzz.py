"""No peer, whatever it says, harms more than its own call or session (M37): real cores, no sockets.

`python -m tests.fuzz` tries all cases and goes on by chance; here they are thinned out.
"""

import pytest
from tests.fuzz import fuzzing
from tests.fuzz.fuzzing import DOORS, Judge, cases, corpus, row_of, table
from tests.fuzz.kinds import ACCEPTED, ENDED, REFUSED
from tests.fuzz.outcome import Door
from tests.fuzz.raw import is_right, said_raw
from tests.fuzz.report import lines
from tests.fuzz.walk import spots
from tests.fuzz.wandering import Walks

EVERY = 101
WALKS = 100
DOOR_NAMES = list(DOORS)


def walked() -> set[str]:
    return {spot.row for door in DOORS.values() for spot in spots(door.message.DESCRIPTOR)}


def test_every_field_has_a_row_and_every_row_a_field() -> None:
    missing, stale = walked() - set(table()), set(table()) - walked()
    assert not missing, f"decide in tests/fuzz/fields.txt what these may hold: {sorted(missing)}"
    assert not stale, f"no such field any more: {sorted(stale)}"


def test_a_new_field_without_a_row_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {name: row for name, row in table().items() if name != "Kill.signal"}
    monkeypatch.setattr(fuzzing, "table", lambda: rows)
    with pytest.raises(LookupError, match=r"Kill\.signal has no row"):
        row_of("Kill.signal")


def test_what_once_failed_does_not_fail_again() -> None:
    judge = Judge()
    for case in corpus():
        judge.judge(case)
    assert not judge.failures, "\n".join(judge.failures)


def test_m37_no_value_in_any_field_harms_anybody_else() -> None:
    judge = Judge()
    for case in cases(every=EVERY):
        judge.judge(case)
    print("\n".join(lines(judge.counts)))  # noqa: T201 - what was tried, for whoever asks with -s
    assert not judge.failures, "\n".join(judge.failures[:50])
    assert set(judge.counts["outcome"]) == {ACCEPTED, REFUSED, ENDED}
    messages = {row.partition(".")[0] for row in walked()}
    assert set(judge.counts["message"]) == messages


@pytest.mark.parametrize("door", DOORS.values(), ids=DOOR_NAMES)
def test_m37_what_is_no_message_ends_that_session_alone(door: Door) -> None:
    for when, body, kind, data, expected in said_raw(door):
        world = door.world(when)
        before = world.bystanders()
        outcome = world.send(data)
        assert is_right(outcome, expected), f"{when} {body} {kind}: {outcome}"
        assert world.bystanders() == before, f"{when} {body} {kind}: a bystander has felt it"


def test_walks_among_good_and_bad_messages_break_nothing() -> None:
    walks = Walks()
    for seed in range(WALKS):
        walks.walk(seed)
    assert not walks.failures, "\n".join(walks.failures[:10])
    assert set(walks.counts) == {ACCEPTED, REFUSED, ENDED}
