"""A child's end is heard twice; it is told once, with the reason if there is one."""

import asyncio

from fairlead.frameworks.batch.endings import Endings, describe_exit


def told(first: str, second: str | None, *, reason_may_come: bool = True) -> list[tuple[str, str]]:
    lost: list[tuple[str, str]] = []

    async def run() -> None:
        endings = Endings(lambda _: None, lambda worker, cause: lost.append((worker, cause)))
        for event in (first, second):
            if event == "connection":
                endings.connection_ended("w#1", reason_may_come=reason_may_come)
            elif event == "process":
                endings.process_ended("w#1", "exited with code 3")
        if second is None and reason_may_come:
            await asyncio.sleep(0.4)
        endings.close()

    asyncio.run(run())
    return lost


def test_in_either_order_the_reason_is_told() -> None:
    assert told("connection", "process") == [("w#1", "exited with code 3")]
    assert told("process", "connection") == [("w#1", "exited with code 3")]


def test_no_reason_is_waited_for_when_none_can_come() -> None:
    assert told("connection", None, reason_may_come=False) == [("w#1", "closed its connection")]


def test_a_reason_is_not_waited_for_long() -> None:
    assert told("connection", None) == [("w#1", "closed its connection")]


def test_before_the_connection_ends_nothing_is_told() -> None:
    assert told("process", None) == []


def test_a_second_reason_replaces_the_first_and_ends_no_connection() -> None:
    lost: list[tuple[str, str]] = []

    async def run() -> None:
        endings = Endings(lambda _: None, lambda worker, cause: lost.append((worker, cause)))
        endings.process_ended("w#1", "was lost")
        endings.process_ended("w#1", "exited with code 3")
        assert lost == [], "its answers may still be under way"
        endings.connection_ended("w#1", reason_may_come=True)
        endings.close()

    asyncio.run(run())
    assert lost == [("w#1", "exited with code 3")]


def test_exits_in_words() -> None:
    assert describe_exit(3, 0) == "exited with code 3"
    assert describe_exit(-9, 1 << 20) == "was killed by SIGKILL having used 1 MiB"
    assert describe_exit(-63, 0) == "was killed by signal 63"
    assert "was lost" in describe_exit(None, 0)
