"""Frames and the handshake before them, byte by byte: no socket is needed to break them."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.frameworks.batch.frames import Buffer, Codec, Frame, FrameTooLargeError
from fairlead.frameworks.batch.handshake import (
    REFUSAL,
    Dialler,
    FrameError,
    KeyRefusedError,
    Listener,
)

KEY = b"k" * 32


def join(parts: list[Buffer]) -> bytes:
    return b"".join(bytes(part) for part in parts)


def pair(
    *, ours: bytes = KEY, theirs: bytes = KEY, limit: int = 1 << 24, read_size: int = 1 << 12
) -> tuple[Codec, Codec]:
    """A dialler and a listener that have shaken hands."""
    dialler = Codec(Dialler(ours, "worker:w"), limit=limit, read_size=read_size)
    listener = Codec(
        Listener(lambda identity: theirs if identity == "worker:w" else None),
        limit=limit,
        read_size=read_size,
    )
    for _ in range(2):
        dialler.receive_bytes(join(listener.take_output()))
        listener.receive_bytes(join(dialler.take_output()))
    return dialler, listener


def plain(frames: list[Frame]) -> list[tuple[str, dict[str, object], list[bytes]]]:
    return [(f.kind, dict(f.fields), [bytes(buffer) for buffer in f.buffers]) for f in frames]


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(edges):
        yield data[start:end]


def test_both_ends_open_and_know_the_identity() -> None:
    dialler, listener = pair()
    assert dialler.is_open
    assert listener.is_open
    assert listener.identity == "worker:w"


@given(
    sizes=st.lists(
        st.lists(st.sampled_from([0, 1, 50, 4000, 4096, 70_000]), max_size=3), max_size=4
    ),
    cuts=st.lists(st.integers(0, 1 << 20), max_size=12),
)
def test_frames_arrive_whole_however_the_bytes_are_cut(
    sizes: list[list[int]], cuts: list[int]
) -> None:
    dialler, listener = pair()
    sent = [
        ("calls", {"n": n}, [bytes([n + 1]) * size for size in buffers])
        for n, buffers in enumerate(sizes)
    ]
    wire = b"".join(join(dialler.encode(*frame)) for frame in sent)
    received: list[Frame] = []
    for piece in pieces(wire, cuts):
        received += listener.receive_bytes(piece)
    assert plain(received) == sent


def test_both_directions_at_once() -> None:
    dialler, listener = pair()
    for n in range(3):
        to_listener, to_dialler = dialler.encode("a", {"n": n}), listener.encode("b", {"n": n})
        assert plain(listener.receive_bytes(join(to_listener))) == [("a", {"n": n}, [])]
        assert plain(dialler.receive_bytes(join(to_dialler))) == [("b", {"n": n}, [])]


def test_a_large_buffer_is_handed_out_where_it_was_received() -> None:
    dialler, listener = pair()
    frame = listener.receive_bytes(join(dialler.encode("a", {}, [b"x" * 100_000, b"y" * 7])))[0]
    first, second = frame.buffers
    assert isinstance(first, memoryview)
    assert isinstance(second, memoryview)
    assert first.obj is second.obj


@given(where=st.integers(0, 1 << 20), bit=st.integers(0, 7), size=st.sampled_from([0, 9, 70_000]))
def test_no_altered_frame_is_ever_handed_out(where: int, bit: int, size: int) -> None:
    dialler, listener = pair()
    wire = bytearray(join(dialler.encode("result", {"n": 1}, [b"v" * size])))
    wire[where % len(wire)] ^= 1 << bit
    try:
        received = listener.receive_bytes(bytes(wire))
    except FrameError:
        return
    assert received == []  # a length was altered: it waits for more, which cannot be right either
    with pytest.raises(FrameError):
        listener.receive_bytes(bytes(1 << 25))


def test_a_repeated_frame_is_refused() -> None:
    dialler, listener = pair()
    wire = join(dialler.encode("a", {}))
    listener.receive_bytes(wire)
    with pytest.raises(FrameError, match="repeated"):
        listener.receive_bytes(wire)


def test_frames_out_of_order_are_refused() -> None:
    dialler, listener = pair()
    join(dialler.encode("first", {}))
    with pytest.raises(FrameError, match="out of order"):
        listener.receive_bytes(join(dialler.encode("second", {})))


def test_a_frame_sent_back_to_its_sender_is_refused() -> None:
    dialler, _ = pair()
    with pytest.raises(FrameError):
        dialler.receive_bytes(join(dialler.encode("a", {})))


def test_a_frame_of_another_connection_is_refused() -> None:
    dialler, _ = pair()
    _, other = pair()
    with pytest.raises(FrameError):
        other.receive_bytes(join(dialler.encode("a", {})))


def test_the_mac_is_checked_before_anything_is_parsed() -> None:
    _, listener = pair()
    head = b"this is no json"
    with pytest.raises(FrameError, match="altered"):
        listener.receive_bytes(len(head).to_bytes(4, "big") + bytes(8) + head + bytes(32))


def test_a_wrong_key_is_refused_by_the_listener() -> None:
    dialler = Codec(Dialler(b"w" * 32, "worker:w"))
    listener = Codec(Listener(lambda _: KEY))
    dialler.receive_bytes(join(listener.take_output()))
    with pytest.raises(KeyRefusedError):
        listener.receive_bytes(join(dialler.take_output()))
    assert not listener.is_open
    answer = join(listener.take_output())
    assert answer == REFUSAL
    with pytest.raises(KeyRefusedError, match="refused this key"):
        dialler.receive_bytes(answer)


def test_an_unknown_identity_looks_like_a_wrong_key() -> None:
    dialler = Codec(Dialler(KEY, "worker:unknown"))
    listener = Codec(Listener(lambda _: None))
    dialler.receive_bytes(join(listener.take_output()))
    with pytest.raises(KeyRefusedError, match="did not hold the key"):
        listener.receive_bytes(join(dialler.take_output()))
    assert join(listener.take_output()) == REFUSAL


def test_a_listener_without_the_key_is_refused_by_the_dialler() -> None:
    dialler = Codec(Dialler(KEY, "worker:w"))
    impostor = Codec(Listener(lambda _: KEY))
    dialler.receive_bytes(join(impostor.take_output()))
    with pytest.raises(KeyRefusedError, match="did not prove"):
        dialler.receive_bytes(b"Y" + bytes(32))


def test_a_stranger_gets_a_small_buffer_and_no_frame() -> None:
    listener = Codec(Listener(lambda _: KEY))
    assert len(listener.get_buffer()) <= 512
    with pytest.raises(FrameError, match="does not speak"):
        listener.receive_bytes(b"GET / HTTP/1.1\r\n" + b"x" * 100_000)


def test_an_old_proof_does_not_fit_a_new_challenge() -> None:
    first = Codec(Listener(lambda _: KEY))
    dialler = Codec(Dialler(KEY, "worker:w"))
    dialler.receive_bytes(join(first.take_output()))
    recorded = join(dialler.take_output())
    first.receive_bytes(recorded)
    assert first.is_open
    with pytest.raises(KeyRefusedError):
        Codec(Listener(lambda _: KEY)).receive_bytes(recorded)


def test_more_than_the_limit_is_not_sent() -> None:
    dialler, listener = pair(limit=1000)
    with pytest.raises(FrameTooLargeError, match="at most 1000"):
        dialler.encode("a", {}, [b"x" * 2000])
    frame = join(dialler.encode("a", {"still": "good"}))
    assert plain(listener.receive_bytes(frame)) == [("a", {"still": "good"}, [])]


def test_more_than_the_limit_is_refused_when_it_is_announced() -> None:
    dialler, _ = pair()
    _, listener = pair(limit=1000)
    with pytest.raises(FrameTooLargeError, match="announced"):
        listener.receive_bytes(join(dialler.encode("a", {}, [b"x" * 2000]))[:12])


def test_numbers_that_are_none_are_not_sent() -> None:
    dialler, _ = pair()
    with pytest.raises(ValueError, match="not JSON compliant"):
        dialler.encode("a", {"seconds": float("nan")})
