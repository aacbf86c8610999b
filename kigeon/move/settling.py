"""Waits until a stream that was restored is at all the servers that are to hold it."""

from __future__ import annotations

import asyncio
import time

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import api
from nats.js.errors import NotFoundError

from kigeon.errors import QueueError
from kigeon.queue.broker.connection import address_of

WITHIN = 120.0
LOOK_EVERY = 0.2
ANSWER_WITHIN = 5.0
"""Seconds."""


async def wait_for_replicas(client: Client, stream: str) -> None:
    """Return when every server holds *stream*, or after a while most do; raises :class:`QueueError`.

    A cluster restores a stream at its leader; the others get it from there.
    """
    until = time.monotonic() + WITHIN
    while (missing := await _missing(client, stream)) and time.monotonic() < until:
        await asyncio.sleep(LOOK_EVERY)
    if 2 * missing >= address_of(client).replicas:
        raise QueueError(f"{missing} of {address_of(client).replicas} servers do not have {stream} yet")


async def _missing(client: Client, stream: str) -> int:
    """Return how many servers do not hold all of *stream*, as far as its leader knows."""
    replicas = address_of(client).replicas
    if replicas <= 1:
        return 0
    try:
        found = await client.jetstream(timeout=ANSWER_WITHIN).stream_info(stream)
    except (NatsError, TimeoutError) as error:
        if isinstance(error, NotFoundError):
            raise QueueError(f"there is no stream {stream}") from error
        return replicas
    return replicas - 1 - sum(map(_is_current, (found.cluster and found.cluster.replicas) or ()))


def _is_current(peer: api.PeerInfo) -> bool:
    return bool(peer.current) and not peer.offline and not peer.lag
