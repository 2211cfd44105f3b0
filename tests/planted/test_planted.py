"""Bugs on purpose: every patch applies to the tree as it is, and a few are caught here.

All of them, from all base seeds: `python -m tests.planted`, which `make soak` runs.
"""

import re
from functools import cache

import pytest
from tests.planted.planting import ROOT, Plant, applies, live, planted, plants

LEAST = 20
QUICK = ("filter-the-wrong-way", "freed-at-kill", "gpu-with-two")
"""These are noticed in the first lives."""


@cache
def laws() -> frozenset[str]:
    """Named in the simulator."""
    sources = "".join(path.read_text() for path in (ROOT / "sim").rglob("*.py"))
    return frozenset(re.findall(r'ViolationError\(\s*"([^"]+)"', sources))


@cache
def known_tests() -> frozenset[str]:
    """By file and name."""
    files = (*(ROOT / "tests/unit").rglob("*.py"), *(ROOT / "tests/simulation").glob("*.py"))
    found = {path: re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE) for path in files}
    return frozenset(
        f"{p.relative_to(ROOT)}::{name}" for p, names in found.items() for name in names
    )


def test_there_are_many_and_each_says_what_it_breaks_and_which_law_notices() -> None:
    assert len(plants()) >= LEAST
    for plant in plants():
        assert plant.breaks, plant.name
        known = {plant.laws[0]} & known_tests() if plant.is_for_a_test else laws()
        assert not {*plant.laws} - known, f"{plant.name}: {plant.laws}"


def test_every_patch_applies() -> None:
    wrong = {plant.name: why for plant in plants() if (why := applies(plant))}
    assert not wrong, "the code has changed under these: plant them anew"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("plant", [p for p in plants() if p.name in QUICK], ids=lambda p: p.name)
def test_a_planted_bug_is_caught(plant: Plant) -> None:
    with planted(plant) as tree:
        verdict = live(plant, tree, base=1, lives=60)
    assert verdict.law, str(verdict)
