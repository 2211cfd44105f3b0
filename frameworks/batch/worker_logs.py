"""What a worker wrote last whose task has ended: asked of its agent, there is nobody else left."""

import asyncio
import logging

from fairlead.common.client import connect
from fairlead.common.errors import FairleadError
from fairlead.common.operators import LogQuery, StateQuery
from fairlead.common.rpc import GET_STATE, READ_LOG
from fairlead.common.values import TaskStatus
from fairlead.frameworks.kit.driver import Whereabouts

from .last_words import LINES, STREAMS, in_lines

_log = logging.getLogger(__name__)

ASK_S = 0.5
"""The driver waits for the reason of a loss no longer than twice this."""


async def read_last_words(where: Whereabouts, status: TaskStatus) -> str:
    """Nothing if nobody answers in time."""
    try:
        async with asyncio.timeout(ASK_S):
            return await _read(where, status)
    except (FairleadError, TimeoutError) as error:
        _log.info("batch.log_unread task=%s reason=%s", status.task_id, error)
        return ""


async def _read(where: Whereabouts, status: TaskStatus) -> str:
    master, token = where.find()
    async with connect(master, token, where.tls) as client:
        state = await client.call(GET_STATE, StateQuery())
    agents = (view.agent for view in state.agents)
    address = next((a.address for a in agents if a.agent_id == status.agent_id), "")
    if not address:
        return ""
    parts = []
    async with connect(address, token, where.tls) as client:
        for stream in STREAMS:
            query = LogQuery(
                status.framework_id,
                status.task_id,
                status.launch_uuid,
                stream,
                tail_lines=2 * LINES,  # some of them are our own
            )
            chunks = [chunk.data async for chunk in client.stream(READ_LOG, query)]
            parts += in_lines(stream, b"".join(chunks))
    return "\n".join(parts)
