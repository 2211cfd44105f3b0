"""Says which part of a log is missing in what is printed, for whoever prints one."""

from fairlead.common.operators import LogChunk
from fairlead.common.resources import format_bytes


def gap_before(chunk: LogChunk, expected: int, stream: str) -> str:
    """One line, or nothing if the chunk begins where it should."""
    missing = chunk.offset_bytes - expected
    if missing < 0:
        return f"the task has cut its {stream} short; here it begins anew"
    if not missing:
        return ""
    if not expected:
        return f"the first {format_bytes(missing)} of {stream} are not kept any more"
    return f"{format_bytes(missing)} of {stream} are missing here: it grew faster than it was read"
