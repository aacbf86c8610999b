"""Reads what a stream holds to the last bit: headers as they are stored, times in nanoseconds."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg

from kigeon.move.archive import StoredMessage
from kigeon.queue.broker.connection import QueueClient
from kigeon.queue.broker.scan import StreamMessage, message_of, scan_as, stream_state

BYTES_AT_ONCE = 8 * 1024 * 1024
MOST_AT_ONCE = 512
"""What is in memory, about: an envelope may have megabytes, and some bytes."""

_AS_STORED = "\0as stored"
"""Under which :class:`MoveClient` leaves the headers of a message; no header has such a name."""


class MoveClient(QueueClient):
    """A connection that keeps the headers of what it receives as they came; nats-py reads them as those of a mail."""

    async def _process_headers(self, headers: Any) -> dict[str, Any] | None:
        found = await super()._process_headers(headers)
        return {**(found or {}), _AS_STORED: bytes(headers)} if headers else found


@dataclass(frozen=True, slots=True)
class _Exact(StreamMessage):
    stored: StoredMessage


def _exact(message: Msg) -> _Exact:
    common = message_of(message)
    tokens = Msg.Metadata._get_metadata_fields(message.reply)
    # Without a domain and an account's hash the reply is shorter.
    time = int(tokens[7] if len(tokens) == 9 else tokens[Msg.Ack.Timestamp])
    headers: Any = common.headers.get(_AS_STORED, b"")
    stored = StoredMessage(common.sequence, common.subject, time, headers, common.payload)
    return _Exact(
        common.sequence, common.subject, common.timestamp, common.headers, common.payload, common.delivery, stored
    )


async def stored_messages(client: Client, stream: str) -> AsyncGenerator[StoredMessage, None]:
    """Yield each message of *stream*, of a :class:`MoveClient`; raises as :func:`~kigeon.queue.broker.scan.scan`."""
    state = await stream_state(client, stream)
    most = min(max(BYTES_AT_ONCE * state.messages // max(state.bytes, 1), 1), MOST_AT_ONCE)
    async with aclosing(scan_as(_exact, client, stream, ">", 1, most=most)) as messages:
        async for message in messages:
            yield message.stored
