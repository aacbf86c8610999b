"""The sizes of the streams, and the age of their messages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
from nats.aio.client import Client

from kigeon.errors import QueueError
from kigeon.queue.broker.connection import names_of, queue_errors
from kigeon.queue.broker.names import StreamNames

INFO_TIMEOUT = 5.0


async def stream_sizes(client: Client) -> dict[str, dict[str, float]]:
    """Return for the events, seen and dead-letter streams ``messages``, ``bytes``, and the time of the ``oldest``.

    The time is in seconds since the epoch, 0 where the stream is empty. The keys are the default names of the streams,
    whatever ``queue.name`` is, because metrics have these as labels. Raises :class:`QueueError`.
    """
    named, keys = names_of(client), StreamNames()
    streams = {keys.events: named.events, keys.seen: named.seen, keys.dead_letter: named.dead_letter}
    return {key: await _size(client, name) for key, name in streams.items()}


async def _size(client: Client, name: str) -> dict[str, float]:
    # The API is asked directly, since nats-py's answer leaves out when the first message was stored.
    with queue_errors(f"asking for the stream {name}"):
        answer = await client.request(f"$JS.API.STREAM.INFO.{name}", b"", timeout=INFO_TIMEOUT)
    state: dict[str, Any] | None = orjson.loads(answer.data).get("state")
    if state is None:
        raise QueueError(f"there is no stream {name}")
    oldest = datetime.fromisoformat(state["first_ts"]).timestamp() if state["messages"] else 0.0
    return {"messages": state["messages"], "bytes": state["bytes"], "oldest": oldest}
