"""What Mesos' own allocator takes for the workload of `allocation.py`, and what is asked of ours.

Medians of its benchmark in C++, on a machine of 2 cores.
"""

from typing import NamedTuple


class Medians(NamedTuple):
    """In seconds, and GiB after everything was declined."""

    add: float
    full: float
    idle: float
    freed: float
    grown: float
    declined: float | None
    memory: float | None


OWN_ROLES = {
    (1_000, 200): Medians(0.22, 0.026, 0.0084, 0.012, 0.0056, 0.87, 0.8),
    (1_000, 1_000): Medians(1.1, 0.079, 0.056, 0.057, 0.017, 3.0, 2.8),
    (5_000, 200): Medians(1.5, 0.132, 0.045, 0.046, 0.0088, 3.5, 3.3),
    (10_000, 200): Medians(4.6, 0.316, 0.105, 0.106, 0.0046, 5.5, 5.8),
    (10_000, 1_000): Medians(27.0, 1.03, 0.648, 0.651, 0.028, 24.0, 9.5),
    (30_000, 200): Medians(17.0, 1.38, 0.347, 0.326, 0.011, 11.9, 6.7),
}
"""By agents and frameworks, each framework in its own role."""
ONE_ROLE = {(30_000, 1_000): Medians(16.0, 1.22, 0.105, 0.117, 0.0094, None, None)}
TO_BE_BEATEN = (10_000, 1_000)


def most(agents: int, frameworks: int, *, one_role: bool) -> Medians | None:
    """What is asked of ours in the parts that are compared; None: nothing is known of it."""
    known = (ONE_ROLE if one_role else OWN_ROLES).get((agents, frameworks))
    if known is None:
        return None
    full = known.full if (agents, frameworks) == TO_BE_BEATEN else 2 * known.full
    return known._replace(
        full=full,
        declined=known.declined and known.declined / 20,
        memory=known.memory and known.memory / 10,
    )
