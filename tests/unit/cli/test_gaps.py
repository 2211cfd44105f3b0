"""What a person is told when a part of a log is missing."""

from fairlead.cli.gaps import gap_before
from fairlead.common.operators import LogChunk


def test_only_a_gap_is_worth_a_line() -> None:
    chunk = LogChunk(b"x", 3 << 20)
    assert not gap_before(chunk, 3 << 20, "stdout")
    assert gap_before(chunk, 0, "stdout") == "the first 3 MiB of stdout are not kept any more"
    assert gap_before(chunk, 1 << 20, "stdout").startswith("2 MiB of stdout are missing here")
    assert "begins anew" in gap_before(chunk, 4 << 20, "stderr")
