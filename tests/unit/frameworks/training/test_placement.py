"""Algorithm 1, line by line."""

from fairlead.common.ids import AgentId
from fairlead.frameworks.training.placement import Candidate, Way, place


def server(
    name: str, *, affinity: int = 0, wanted: int = 0, has_room: bool = False, gpus: int = 4
) -> Candidate:
    return Candidate(AgentId(name), gpus, min(wanted, gpus), wanted, affinity, has_room)


def placed(size: int, *servers: Candidate, may_share: bool = True) -> tuple[str, Way] | None:
    found = place(size, servers, may_share=may_share)
    return (found[0].agent_id, found[1]) if found else None


def test_first_the_least_loaded_server_of_its_affinity_with_room() -> None:
    servers = (
        server("a", affinity=1, wanted=3, has_room=True),
        server("b", affinity=1, wanted=2, has_room=True),
        server("c", affinity=1, wanted=1),
        server("d", affinity=2, has_room=True),
        server("e", has_room=True),
    )
    assert placed(1, *servers) == ("b", Way.AFFINE)


def test_then_an_unassigned_server_the_smallest_that_will_do() -> None:
    servers = (
        server("a", affinity=2, wanted=2, has_room=True),
        server("b", has_room=True, gpus=8),
        server("c", has_room=True),
    )
    assert placed(1, *servers) == ("c", Way.UNASSIGNED)


def test_then_any_server_with_free_gpus() -> None:
    servers = (
        server("a", affinity=2, wanted=2, has_room=True),
        server("b", affinity=1, wanted=4),
    )
    assert placed(1, *servers) == ("a", Way.RELAXED)


def test_then_the_least_loaded_of_its_affinity_oversubscribed() -> None:
    servers = (server("a", affinity=1, wanted=6), server("b", affinity=1, wanted=5), server("c"))
    assert placed(1, *servers) == ("b", Way.SHARED)


def test_else_it_queues() -> None:
    assert placed(2, server("a", affinity=1, wanted=6), server("b")) is None
    shared = server("a", affinity=1, wanted=4)
    assert placed(1, shared, may_share=False) is None
    assert placed(8, server("a", affinity=8, wanted=4)) is None
