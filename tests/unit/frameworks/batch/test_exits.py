"""How the end of a process is told, and whose doing it was."""

from fairlead.frameworks.batch.call_events import Blame
from fairlead.frameworks.batch.exits import Exit


def test_in_words() -> None:
    assert Exit(3).describe() == "exited with code 3"
    assert Exit(-9, 1 << 20).describe() == "was killed by SIGKILL having used 1 MiB"
    assert Exit(-63).describe() == "was killed by signal 63"
    assert "was lost" in Exit().describe()
    assert Exit(said="did not answer").describe() == "did not answer"
    assert Exit(-9, 1 << 20, is_at_limit=True, said="reached its limit").describe() == (
        "reached its limit having used 1 MiB"
    )
    assert Exit(1, log="  stderr: oh").describe() == (
        "exited with code 1; the end of its log:\n  stderr: oh"
    )


def test_whose_doing_it_was() -> None:
    assert Exit(0).blame is Blame.CALL
    assert Exit(-11).blame is Blame.CALL
    assert Exit(None, is_at_limit=True).blame is Blame.CALL
    assert Exit().blame is Blame.OUTSIDE
    assert Exit(said="did not answer").blame is Blame.OUTSIDE
    assert Exit(-9, is_ordered=True).blame is Blame.NOBODY


def test_it_travels() -> None:
    how = Exit(-9, 5, is_at_limit=True, is_ordered=True, said="why", log="last")
    assert Exit.from_fields(how.to_fields()) == how
