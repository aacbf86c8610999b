"""Asks each sender of a running kigeon what it waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from nats.aio.client import Client

from kigeon.errors import QueueError
from kigeon.operator.senders import Action, ask
from kigeon.senders.delivery.waits import Wait

WAITS_TIMEOUT = 3.0
"""Seconds for a sender to say what it waits for; after that the answer goes on without it."""


def waiting(waits: Callable[[], Sequence[Wait]]) -> Action:
    """Return the action with which a sender answers, in its own process."""

    async def answer(request: Mapping[str, Any]) -> dict[str, Any]:
        return {"waits": [wait.shown() for wait in waits()]}

    return answer


async def read_waits(client: Client, senders: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return what each of *senders* waits for; of a sender that does not answer, the error."""
    found = await asyncio.gather(*(_read(client, sender) for sender in senders))
    return dict(zip(senders, found, strict=True))


async def _read(client: Client, sender: str) -> list[dict[str, Any]]:
    try:
        answer = await ask(client, sender, {"action": "waits"}, _patiently, WAITS_TIMEOUT, absence=0.0)
    except QueueError as error:
        return [Wait("", str(error), 0).shown()]
    waits: list[dict[str, Any]] = answer["waits"]
    return waits


def _patiently() -> Awaitable[None]:
    return asyncio.sleep(0)
