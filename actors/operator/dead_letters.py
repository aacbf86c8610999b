"""``dead-letter``: list, show, replay, drop. The last two are the sender's own to do, and are asked of it.

However many letters there are, of each only its place in the stream is held, and what some of them hold; a sender is
asked for a portion at a time, and says every few seconds that it is still at it.
"""

from __future__ import annotations

import asyncio
import logging
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import NoRespondersError

from actors.operator.address import SOCKET
from actors.operator.answer import Answer
from actors.operator.door import Order
from actors.operator.spool import Spool
from kigeon.errors import KigeonError, QueueError
from kigeon.queue.connection import queue_errors
from kigeon.queue.dead_letter import DeadLetter, DeadLetterStore
from kigeon.senders.replaying import ParkedEvents

log = logging.getLogger(__name__)

SUBJECT = "kigeon.operate"
PATIENCE = 60.0
"""Seconds for a sender to say something: that it has done a portion, or that it is at it."""

AT_IT = 5.0
"""Seconds between two times that a sender says so."""

PORTION = 500
"""Letters that a sender is asked to replay or to drop at once."""

SHOWN_AT_ONCE = 64
SHOWN_BYTES = 4 * 1024 * 1024
"""Letters that are in memory at once, and how much of them."""

ACTIONS = ("list", "show", "replay", "drop")


async def dead_letter(client: Client, order: Order, request: dict[str, Any], answer: Answer) -> None:
    """Do what is asked; ``ids`` are ``<sender>/<name>``, ``sender`` narrows down, ``all`` takes all there are."""
    action, ids, sender = request.get("action"), request.get("ids") or [], request.get("sender")
    if action not in ACTIONS:
        raise ValueError(f"action must be one of {', '.join(ACTIONS)}")
    names = [configured.name for configured in order.settings.senders]
    if sender is not None and sender not in names:
        raise ValueError(f"there is no sender {sender!r}; there are {', '.join(names)}")
    chosen = [sender] if sender else names
    if action == "list":
        await _list(client, chosen, answer)
    elif action == "show" and not request.get("all"):
        await _show(client, _by_sender(ids, names), answer)
    elif request.get("all"):
        await _do(client, order, action, {name: _all(client, name, answer) for name in chosen}, answer)
    else:
        portions = {name: _portions(parked) for name, parked in _by_sender(ids, names).items()}
        await _do(client, order, action, portions, answer)


async def serve(client: Client, sender: str, parked: ParkedEvents) -> None:
    """Answer what is asked of a *sender*, in its own process, for as long as the connection lasts."""
    actions: dict[str, Callable[[Sequence[str]], Awaitable[dict[str, str]]]] = {
        "replay": parked.replay,
        "drop": parked.drop,
    }

    async def answer(message: Msg) -> None:
        at_it = asyncio.ensure_future(_say_at_it(message))
        try:
            request = orjson.loads(message.data)
            answer = {"problems": await actions[request["action"]](request["names"])}
        except (KigeonError, ValueError, KeyError, TypeError) as error:
            log.warning("an operator's request failed", extra={"error": repr(error)})
            answer = {"error": {"said": str(error)}}
        finally:
            at_it.cancel()
        await message.respond(orjson.dumps(answer))

    await client.subscribe(f"{SUBJECT}.{sender}", cb=answer)


async def _say_at_it(message: Msg) -> None:
    while True:
        await asyncio.sleep(AT_IT)
        await message.respond(b'{"at it":true}')


async def _do(
    client: Client, order: Order, action: str, portions: dict[str, AsyncIterator[list[str]]], answer: Answer
) -> None:
    """Have the senders do *action* with *portions* of what is parked; tell what is done, and at the end what is not."""
    await answer.items("done")
    done = 0
    with Spool((order.settings.global_.data_dir / SOCKET).parent) as problems:
        for sender, names in portions.items():
            async for portion in names:
                wrong = await _ask(client, sender, {"action": action, "names": portion}, answer)
                if wrong:
                    problems.add([orjson.dumps((f"{sender}/{name}", said)) for name, said in wrong.items()])
                await answer.items("done", [f"{sender}/{name}" for name in portion if name not in wrong])
                done += len(portion)
                await answer.progress(f"{sender}: {action}", done)
        await answer.entries("problems", {})
        for page in problems:
            await answer.entries("problems", dict(orjson.loads(line) for line in page))


async def _ask(client: Client, sender: str, request: dict[str, Any], answer: Answer) -> dict[str, str]:
    """Ask a *sender*, and wait for as long as it says that it is at it."""
    inbox = client.new_inbox()
    with queue_errors(f"asking the sender {sender}"):
        answers = await client.subscribe(inbox)
        try:
            await client.publish(f"{SUBJECT}.{sender}", orjson.dumps(request), reply=inbox)
            while (found := await _next(sender, answers)) == {"at it": True}:
                await answer.progress(f"{sender} is at it, letters", len(request["names"]))
        finally:
            await answers.unsubscribe()
    if "error" in found:
        raise QueueError(f"the sender {sender}: {found['error']['said']}")
    problems: dict[str, str] = found["problems"]
    return problems


async def _next(sender: str, answers: Any) -> dict[str, Any]:
    try:
        message = await answers.next_msg(PATIENCE)
    except TimeoutError as error:
        raise QueueError(f"the sender {sender} says nothing: what was asked last may be done or not") from error
    if (message.headers or {}).get("Status") == "503":
        raise QueueError(f"the sender {sender} does not run now: ask again") from NoRespondersError()
    found: dict[str, Any] = orjson.loads(message.data)
    return found


async def _all(client: Client, sender: str, answer: Answer) -> AsyncIterator[list[str]]:
    """Yield, in portions, the names of what is parked now; what is parked again meanwhile is not among them."""
    numbers, others = array("Q"), []
    async for letter in DeadLetterStore(client, sender).headlines():
        # A number comes back as the name that it was: no name of one begins with a zero.
        numbers.append(int(letter.name)) if letter.name.isdigit() else others.append(letter.name)
        await answer.progress(f"{sender}: reading what is parked", len(numbers))
    for start in range(0, len(numbers), PORTION):
        yield [str(number) for number in numbers[start : start + PORTION]]
    async for portion in _portions(others):
        yield portion


async def _portions(names: Sequence[str]) -> AsyncIterator[list[str]]:
    for start in range(0, len(names), PORTION):
        yield list(names[start : start + PORTION])


async def _list(client: Client, senders: Sequence[str], answer: Answer) -> None:
    await answer.items("deadLetters")
    listed = 0
    for sender in senders:
        store = DeadLetterStore(client, sender)
        sequences, sizes = array("Q"), array("I")
        async for letter in store.headlines():
            sequences.append(letter.sequence)
            sizes.append(min(letter.size, SHOWN_BYTES))
            await answer.progress(f"{sender}: counting what is parked", len(sequences))
        for part in _fitting(sizes):
            found = await asyncio.gather(*(store.at(sequence) for sequence in sequences[part]))
            await answer.items("deadLetters", [_shown(sender, letter, False) for letter in found if letter is not None])
            listed += len(found)
            await answer.progress(f"{sender}: reading what is parked", listed)


def _fitting(sizes: array[int]) -> Iterator[slice]:
    """Cut letters of these *sizes* (bytes) into what may be in memory at once."""
    start = total = 0
    for end, size in enumerate(sizes):
        if end > start and (end - start >= SHOWN_AT_ONCE or total + size > SHOWN_BYTES):
            yield slice(start, end)
            start, total = end, 0
        total += size
    if start < len(sizes):
        yield slice(start, len(sizes))


async def _show(client: Client, by_sender: dict[str, list[str]], answer: Answer) -> None:
    await answer.items("deadLetters")
    for sender, names in by_sender.items():
        store = DeadLetterStore(client, sender)
        for name in names:
            letter = await store.load(name)
            if letter is None:
                raise ValueError(f"{sender}/{name}: there is no such dead letter")
            await answer.items("deadLetters", [_shown(sender, letter, True)])


def _shown(sender: str, letter: DeadLetter, wholly: bool) -> dict[str, Any]:
    raw = letter.event()
    try:
        event = orjson.loads(raw) if raw is not None else None
    except orjson.JSONDecodeError:
        event = None
    shown: dict[str, Any] = {"id": f"{sender}/{letter.name}", "since": letter.since, "reason": letter.reason}
    if wholly:
        text = (raw if raw is not None else letter.payload).decode("utf-8", "backslashreplace")
        return {**shown, "envelope": letter.sequence, **({"raw": text} if event is None else {"event": event})}
    metadata = event.get("metadata") if isinstance(event, dict) else None
    if isinstance(event, dict) and isinstance(metadata, dict):
        shown |= {"namespace": metadata.get("namespace"), "name": metadata.get("name"), "why": event.get("reason")}
    return shown


def _by_sender(ids: Sequence[Any], senders: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for wanted in ids:
        sender, slash, name = str(wanted).partition("/")
        if not slash or sender not in senders or not name.isalnum():
            raise ValueError(f"{wanted!r} is no dead letter's id: they look like {senders[0]}/42")
        found.setdefault(sender, []).append(name)
    return found
