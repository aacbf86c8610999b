"""Makes a stream of an archive, as ``nats stream restore`` does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Self

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg

from kigeon.errors import MoveRefused, QueueError, shorten
from kigeon.queue.broker.connection import queue_errors
from kigeon.queue.broker.cures import cure_of

RESTORE = "$JS.API.STREAM.RESTORE"

WITHIN = 20.0
"""Seconds for an answer: a cluster elects a leader for the new stream first, and syncs what was sent last."""

UNDER_WAY = 8
"""Chunks that are sent and not answered yet."""

_TEMPORARY = ("stall", "not leader", "no longer leader", "no suitable peers", "truncated", "connection closed")
"""What a server may say of a try that another would do better than."""


class Restoring:
    """One stream on its way to a server. A context manager; left without :meth:`finish`, nothing whole is there.

    Raises :class:`QueueError` where another try may do better, :class:`MoveRefused` where none does.
    """

    def __init__(self, client: Client, config: Mapping[str, Any], state: Mapping[str, int]) -> None:
        self._client = client
        self._config = config
        self._state = state
        self._name = str(config["name"])
        self._to = ""
        self._answers: list[asyncio.Task[Msg]] = []

    async def __aenter__(self) -> Self:
        request = orjson.dumps({"config": self._config, "state": self._state})
        with queue_errors(f"restoring {self._name}"):
            answer = await self._client.request(f"{RESTORE}.{self._name}", request, timeout=WITHIN)
        self._to = str(self._answered(answer.data)["deliver_subject"])
        return self

    async def __aexit__(self, *error: object) -> None:
        for answer in self._answers:
            answer.cancel()
        await asyncio.gather(*self._answers, return_exceptions=True)

    async def send(self, chunk: bytes) -> None:
        """Send a part of the archive."""
        while len(self._answers) >= UNDER_WAY:
            await self._heed(self._answers.pop(0))
        self._answers.append(asyncio.ensure_future(self._client.request(self._to, chunk, timeout=WITHIN)))

    async def finish(self) -> None:
        """Have the server make a stream of what was sent; it is durable when this returns."""
        while self._answers:
            await self._heed(self._answers.pop(0))
        with queue_errors(f"restoring {self._name}"):
            # Nothing more comes: an empty message says so.
            answer = await self._client.request(self._to, b"", timeout=WITHIN)
        self._answered(answer.data)

    async def _heed(self, task: asyncio.Task[Msg]) -> None:
        with queue_errors(f"restoring {self._name}"):
            answer = await task
        if answer.data:
            self._answered(answer.data)

    def _answered(self, data: bytes) -> Mapping[str, Any]:
        found: dict[str, Any] = orjson.loads(data)
        error = found.get("error")
        if error is None:
            return found
        said = shorten(str(error.get("description") or error.get("err_code")))
        if any(word in said for word in _TEMPORARY):
            raise QueueError(f"restoring {self._name}: {said}")
        raise MoveRefused(f"the stream {self._name} can't be restored: {said} ({cure_of(said)})")
