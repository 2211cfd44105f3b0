"""Makes a failing world smaller while the same check fails, for whoever must read its life."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from .plan import Plan
from .world import Report, World

MOST_LIVES = 300
JOBS = ("batch", "service", "training", "gangs", "others", "orders")
"""Parts of a plan that may have fewer members."""


def check_of(report: Report) -> str:
    """What failed, without names and numbers: the kind of error, and the law."""
    return ":".join(report.failure.split(":")[:2]) if report.failure else ""


def live(plan: Plan) -> Report:
    return World(plan).run()


def shrink(plan: Plan, live: Callable[[Plan], Report] = live) -> tuple[Plan, Report]:
    """The smallest plan that was found, and its life; the same plan, if it does not fail."""
    report = live(plan)
    wanted, lives = check_of(report), 1
    while wanted and lives < MOST_LIVES:
        for smaller in smaller_ones(plan, report):
            lives += 1
            found = live(smaller)
            if check_of(found) == wanted:
                plan, report = smaller, found
                break
            if lives >= MOST_LIVES:
                break
        else:
            break
    return plan, report


def smaller_ones(plan: Plan, report: Report) -> Iterator[Plan]:
    """One part less each; the larger ones first."""
    end = min(plan.faults_end, report.virtual_s)
    if end < plan.faults_end:
        yield replace(plan, faults_end=end)
    faults = sum(report.faults.values())
    for most in (0, faults // 2, faults - 1):
        if 0 <= most < min(plan.most_faults, faults):
            yield replace(plan, most_faults=most)
    if plan.guest is not None:
        yield replace(plan, guest=None)
    for name in JOBS:
        yield from _fewer(plan, name)
    if len(plan.agents) > 1:
        for agent in plan.agents:
            left = tuple(each for each in plan.agents if each is not agent)
            yield replace(plan, agents=left)


def _fewer(plan: Plan, name: str) -> Iterator[Plan]:
    """None of them, half of them, all but one."""
    members = getattr(plan, name)
    half = len(members) // 2
    choices = [(), members[:half], members[half:]] if len(members) > 1 else [()] if members else []
    if len(members) > 2:
        choices += [tuple(each for each in members if each is not one) for one in members]
    for left in choices:
        changes: dict[str, Any] = {name: left}
        yield replace(plan, **changes)
