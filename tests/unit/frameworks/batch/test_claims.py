"""The page on which a child claims its calls and its parent recalls them."""

import multiprocessing
from collections.abc import Iterator

import pytest

from fairlead.frameworks.batch.claims import ClaimPage


@pytest.fixture
def page() -> Iterator[ClaimPage]:
    page = ClaimPage()
    yield page
    page.close()


def test_everything_may_be_claimed_at_first(page: ClaimPage) -> None:
    assert all(page.claim(n) for n in range(5))


def test_what_is_recalled_cannot_be_claimed_and_what_comes_later_can(page: ClaimPage) -> None:
    assert page.claim(0)
    assert page.recall(10) == 1
    assert [page.claim(n) for n in range(1, 12)] == [False] * 9 + [True] * 2


def test_a_second_recall_reaches_further(page: ClaimPage) -> None:
    page.claim(0)
    page.recall(3)
    assert page.recall(6) == 1
    assert [page.claim(n) for n in range(1, 7)] == [False] * 5 + [True]


def test_a_recall_after_those_recalled_were_passed(page: ClaimPage) -> None:
    page.claim(0)
    page.recall(3)
    assert [page.claim(n) for n in range(1, 6)] == [False, False, True, True, True]
    assert page.recall(9) == 6
    assert [page.claim(n) for n in range(6, 10)] == [False] * 3 + [True]


def test_nothing_is_both_recalled_and_run(page: ClaimPage) -> None:
    """A child claims as fast as it can while its parent recalls, again and again."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def child() -> None:
        sender.send({n for n in range(30_000) if page.claim(n)})

    process = context.Process(target=child)
    process.start()
    recalled: set[int] = set()
    while not receiver.poll():
        first = page.recall(10_000)
        recalled = recalled or set(range(first, 10_000))
    ran = receiver.recv()
    process.join()
    for end in (receiver, sender):
        end.close()
    process.close()
    assert not recalled & ran
    assert set(range(10_000, 30_000)) <= ran
