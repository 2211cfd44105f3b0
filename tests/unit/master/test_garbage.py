"""The collector goes through little, and finds old cycles all the same."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from fairlead.master import garbage


class Peer:
    """One of two that know each other."""

    other: "Peer"


@pytest.fixture(autouse=True)
def _spared() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_lives_is_looked_at_no_more() -> None:
    known = [Peer() for _ in range(1000)]
    garbage.hide()
    assert len(gc.get_objects()) < len(known)


def test_a_cycle_that_was_hidden_is_found_by_a_look_at_all() -> None:
    peer = Peer()
    peer.other = Peer()
    peer.other.other = peer
    garbage.hide()
    is_there = weakref.ref(peer)
    del peer
    gc.collect()
    assert is_there() is not None
    garbage.hide(is_all=True)
    assert is_there() is None
