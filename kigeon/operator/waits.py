"""What the senders of a running kigeon wait for, asked of each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from nats.aio.client import Client

from kigeon.errors import QueueError
from kigeon.operator.senders import Action, ask
from kigeon.senders.delivery.waits import Wait

WAITS_TIMEOUT = 3.0
"""Seconds for a sender to say what it waits for; the accounts do not wait for it any longer."""


def waiting(waits: Callable[[], Sequence[Wait]]) -> Action:
    """Return what a sender answers with, in its own process."""

    async def answer(request: Mapping[str, Any]) -> dict[str, Any]:
        return {"waits": [wait.shown() for wait in waits()]}

    return answer


async def read_waits(client: Client, senders: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return what each of *senders* waits for; one that does not say so waits for itself."""
    found = await asyncio.gather(*(_read(client, sender) for sender in senders))
    return dict(zip(senders, found, strict=True))


async def _read(client: Client, sender: str) -> list[dict[str, Any]]:
    try:
        answer = await ask(client, sender, {"action": "waits"}, _patiently, WAITS_TIMEOUT)
    except QueueError as error:
        return [Wait("", str(error), 0).shown()]
    waits: list[dict[str, Any]] = answer["waits"]
    return waits


def _patiently() -> Awaitable[None]:
    return asyncio.sleep(0)
