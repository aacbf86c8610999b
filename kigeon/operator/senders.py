"""Asks a sender, through the queue's server, to do what only the sender can do; the sender answers in its process.

A sender that takes long says every few seconds that it is still at work. One that is nowhere may be on its way from one
replica to another: it is asked again for a while.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import NoRespondersError

from kigeon.errors import KigeonError, QueueError
from kigeon.queue.broker.connection import address_of, names_of, queue_errors

log = logging.getLogger(__name__)

SILENCE_TIMEOUT = 60.0
"""Seconds for a sender to say that it is done, or that it is still at work."""

ABSENCE_TIMEOUT = 15.0
"""Seconds for another replica to take over a sender whose replica is gone."""

AGAIN = 0.25
"""Seconds until a sender that is nowhere is asked again."""

AT_IT = 5.0
"""Seconds after which a sender says again that it is still at work."""

Action = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""Does what a request asks for; returns the answer."""


async def serve(client: Client, sender: str, actions: Mapping[str, Action]) -> None:
    """Answer requests to a *sender*, in its own process, for as long as the connection lasts."""

    async def answer(message: Msg) -> None:
        at_it = asyncio.ensure_future(_say_at_it(message))
        try:
            request = orjson.loads(message.data)
            answer = await actions[request["action"]](request)
        except (KigeonError, ValueError, KeyError, TypeError) as error:
            log.warning("an operator's request failed", extra={"error": repr(error)})
            answer = {"error": {"said": str(error)}}
        finally:
            at_it.cancel()
        await message.respond(orjson.dumps(answer))

    await client.subscribe(names_of(client).operate_subject(sender), cb=answer)


async def ask(
    client: Client,
    sender: str,
    request: Mapping[str, Any],
    waiting: Callable[[], Awaitable[None]],
    patience: float = SILENCE_TIMEOUT,
    absence: float = ABSENCE_TIMEOUT,
) -> dict[str, Any]:
    """Ask a *sender*; *waiting* is called whenever the sender is still at work. Raises :class:`QueueError`.

    Where there may be other replicas, a sender that is nowhere is asked again for *absence* seconds.
    """
    until = time.monotonic() + (absence if address_of(client).external is not None else 0.0)
    while True:
        try:
            found = await _ask_once(client, sender, request, waiting, patience)
            break
        except QueueError as error:
            # Nobody has heard it: it is not done twice.
            if not isinstance(error.__cause__, NoRespondersError) or time.monotonic() >= until:
                raise
        await asyncio.sleep(AGAIN)
    if "error" in found:
        raise QueueError(f"the sender {sender}: {found['error']['said']}")
    return found


async def _ask_once(
    client: Client, sender: str, request: Mapping[str, Any], waiting: Callable[[], Awaitable[None]], patience: float
) -> dict[str, Any]:
    inbox = client.new_inbox()
    with queue_errors(f"asking the sender {sender}"):
        answers = await client.subscribe(inbox)
        try:
            await client.publish(names_of(client).operate_subject(sender), orjson.dumps(request), reply=inbox)
            while (found := await _next(sender, answers, patience)) == {"at it": True}:
                await waiting()
        finally:
            await answers.unsubscribe()
    return found


async def _say_at_it(message: Msg) -> None:
    while True:
        await asyncio.sleep(AT_IT)
        await message.respond(b'{"at it":true}')


async def _next(sender: str, answers: Any, patience: float) -> dict[str, Any]:
    try:
        message = await answers.next_msg(patience)
    except TimeoutError as error:
        raise QueueError(f"the sender {sender} does not answer: the last request may be done or not") from error
    if (message.headers or {}).get("Status") == "503":
        raise QueueError(f"the sender {sender} does not run now: ask again") from NoRespondersError()
    found: dict[str, Any] = orjson.loads(message.data)
    return found
