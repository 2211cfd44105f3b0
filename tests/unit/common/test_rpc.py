"""Batches on the wire are ordinary protobuf, however they were put together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.common import rpc, wire
from fairlead.common.errors import RemoteProtocolError
from fairlead.common.ids import CallId, TaskId
from fairlead.common.messages import FrameworkMessage, Heartbeat, Kill
from fairlead.common.operators import StateReply
from fairlead.common.session import Invalid
from fairlead.protos import agent_pb2, framework_pb2, operator_pb2

BATCHES = rpc.FRAMEWORK_SESSION.to_server


@given(st.lists(st.tuples(st.integers(0, 2**40), st.text("abc", max_size=200))))
def test_joined_messages_are_the_batch_that_protobuf_writes(items: list[tuple[int, str]]) -> None:
    messages = [FrameworkMessage(Heartbeat(n), CallId(call_id)) for n, call_id in items]
    batch = framework_pb2.FrameworkBatch()
    for message in messages:
        batch.messages.append(wire.to_proto(message))  # type: ignore[arg-type]
    joined = b"".join(BATCHES.encode(message) for message in messages)
    assert framework_pb2.FrameworkBatch.FromString(joined) == batch
    assert list(BATCHES.decode(joined)) == messages


def test_a_message_of_the_other_direction_is_our_own_bug() -> None:
    with pytest.raises(AssertionError, match="is no MasterToFramework"):
        rpc.FRAMEWORK_SESSION.to_client.encode(FrameworkMessage(Heartbeat(1)))


def test_an_unknown_body_is_one_invalid_message_among_good_ones() -> None:
    batch = framework_pb2.FrameworkBatch()
    batch.messages.add(call_id="c1")
    batch.messages.add(call_id="c2").kill.task_id = "t"
    invalid, good = BATCHES.decode(batch.SerializeToString())
    assert isinstance(invalid, Invalid)
    assert invalid.call_id == "c1"
    assert good == FrameworkMessage(Kill(TaskId("t")), CallId("c2"))


def test_bytes_that_are_no_batch_are_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="cannot read a FrameworkBatch"):
        list(BATCHES.decode(b"\xff\xff\xff"))


def test_a_reply_given_as_bytes_is_sent_as_it_is() -> None:
    assert rpc.encode_reply(b"made before") == b"made before"
    reply = StateReply(version=1, epoch=2, cluster_id="c")
    assert rpc.GET_STATE.decode_reply(rpc.encode_reply(reply)) == reply


@pytest.mark.parametrize(
    "method",
    [
        rpc.AGENT_SESSION,
        rpc.FRAMEWORK_SESSION,
        rpc.OPERATE,
        rpc.GET_STATE,
        rpc.WATCH_STATE,
        rpc.WATCH_OFFERS,
        rpc.READ_LOG,
    ],
)
def test_the_table_of_methods_says_what_the_protos_say(
    method: rpc.CallMethod[object, object] | rpc.SessionMethod,
) -> None:
    service = {"Master": operator_pb2, "Agent": agent_pb2}[method.service].DESCRIPTOR
    described = service.services_by_name[method.service].methods_by_name[method.name]
    assert method.path == f"/{described.containing_service.full_name}/{described.name}"
    if isinstance(method, rpc.CallMethod):
        assert described.input_type.name == method.request.__name__
        assert described.output_type.name == method.reply.__name__
    else:
        assert described.input_type is method.to_server._batch.DESCRIPTOR
        assert described.output_type is method.to_client._batch.DESCRIPTOR
        assert described.client_streaming
        assert described.server_streaming
