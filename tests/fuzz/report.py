"""What was tried, counted: by message, by kind of value, by outcome."""

from collections import Counter
from collections.abc import Iterator, Mapping


def lines(counts: Mapping[str, Counter[str]]) -> Iterator[str]:
    """A table for people."""
    yield f"{sum(counts['outcome'].values()):,} cases"
    for what, counter in counts.items():
        yield f"by {what}:"
        yield from (f"  {number:>7,}  {name}" for name, number in sorted(counter.items()))
