"""What the agent lets itself be asked for."""

import pytest

from fairlead.agent.ledger import Ledger
from fairlead.common.resources import EMPTY, Resources


def test_what_is_held_is_not_free() -> None:
    ledger = Ledger(Resources.of(cpus=4))
    ledger.hold("a", Resources.of(cpus=3))
    assert ledger.pick(Resources.of(cpus=2)) is None
    assert ledger.pick(Resources.of(cpus=1)) == Resources.of(cpus=1)
    ledger.release("a")
    ledger.release("nobody")
    assert ledger.pick(Resources.of(cpus=4)) is not None


def test_a_holder_s_new_share_replaces_the_old_one() -> None:
    ledger = Ledger(Resources.of(cpus=4))
    ledger.hold("a", Resources.of(cpus=3))
    ledger.hold("a", Resources.of(cpus=1))
    assert ledger.of("a") == Resources.of(cpus=1)
    assert ledger.pick(Resources.of(cpus=3)) is not None


def test_overcommitted_takes_nothing_until_it_fits_again() -> None:
    ledger = Ledger(Resources.of(cpus=4, mem=10))
    ledger.hold("a", Resources.of(cpus=3))
    ledger.hold("b", Resources.of(cpus=3))
    assert ledger.pick(Resources.of(mem=1)) is None
    ledger.release("a")
    assert ledger.pick(Resources.of(cpus=1, mem=10)) is not None


def test_the_check_sees_a_wrong_holder() -> None:
    ledger = Ledger(Resources.of(cpus=4))
    ledger.hold("a", Resources.of(cpus=1))
    ledger.check({"a": Resources.of(cpus=1), "b": EMPTY})
    with pytest.raises(AssertionError):
        ledger.check({"a": Resources.of(cpus=2)})
    with pytest.raises(AssertionError):
        ledger.check({})
