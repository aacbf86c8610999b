"""What a move asks JetStream for by its API itself: nats-py leaves out what it does not know of a configuration.

A cluster assigns a stream before it is restored, and keeps one of which the restoring was broken off until it is
deleted: it is *named* then, and its configuration is not told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from nats.aio.client import Client

from kigeon.errors import QueueError, shorten
from kigeon.move.renaming import is_of_queue, order_of
from kigeon.queue.broker.connection import names_of, queue_errors
from kigeon.queue.broker.error_codes import ErrorCode

WITHIN = 6.0
"""Seconds for an answer."""


async def named_streams(client: Client) -> list[str]:
    """Return the names of the queue's streams, in the order in which they are moved; raises :class:`QueueError`."""
    names, found, offset = names_of(client), [], 0
    while page := (await _ask(client, "STREAM.NAMES", {"offset": offset})).get("streams"):
        offset += len(page)
        found += [name for name in page if is_of_queue(names, name)]
    return sorted(found, key=lambda name: order_of(names, name))


async def config_as_stored(client: Client, stream: str) -> dict[str, Any] | None:
    """Return the configuration of *stream*, None where it is not told; raises :class:`QueueError`."""
    try:
        config: dict[str, Any] | None = (await _ask(client, f"STREAM.INFO.{stream}")).get("config")
    except QueueError as error:
        if isinstance(error.__cause__, TimeoutError) and client.is_connected:
            return None
        raise
    return config


async def change_config(client: Client, config: Mapping[str, Any]) -> None:
    """Have a stream be as *config* says; raises :class:`QueueError`."""
    if not await _ask(client, f"STREAM.UPDATE.{config['name']}", config):
        raise QueueError(f"there is no stream {config['name']}")


async def _ask(client: Client, what: str, request: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return JetStream's answer, nothing where it knows of no such stream."""
    payload = orjson.dumps(request) if request is not None else b""
    with queue_errors(f"asking for {what}"):
        answer: dict[str, Any] = orjson.loads((await client.request(f"$JS.API.{what}", payload, timeout=WITHIN)).data)
    error = answer.get("error")
    if error and error.get("err_code") == ErrorCode.STREAM_NOT_FOUND:
        return {}
    if error:
        raise QueueError(f"asking for {what}: {shorten(str(error.get('description')))}")
    return answer
