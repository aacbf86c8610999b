"""``dead-letter`` lists, shows, replays and drops dead letters. The sender itself replays and drops, on request.

Memory holds only the place of each letter in the stream, and the content of a few. A sender is asked for a portion at
a time, and says every few seconds that it is still at work.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

import orjson
from nats.aio.client import Client

from kigeon.operator.address import SOCKET
from kigeon.operator.admin_socket import RequestContext
from kigeon.operator.answer import Answer
from kigeon.operator.senders import Action, ask
from kigeon.operator.spool import Spool
from kigeon.queue.stores.dead_letter import DeadLetter, DeadLetterStore
from kigeon.senders.retry.replaying import ParkedEvents

PORTION = 500
"""Letters that a sender is asked to replay or to drop at once."""

SHOWN_AT_ONCE = 64
SHOWN_BYTES = 4 * 1024 * 1024
"""Letters whose content is in memory at once, and its bytes."""

ACTIONS = ("list", "show", "replay", "drop")


async def dead_letter(client: Client, context: RequestContext, request: dict[str, Any], answer: Answer) -> None:
    """Do what is asked with ``ids`` (``<sender>/<name>``), or with ``all`` letters; ``sender`` selects one sender's."""
    action, ids, sender = request.get("action"), request.get("ids") or [], request.get("sender")
    if action not in ACTIONS:
        raise ValueError(f"action must be one of {', '.join(ACTIONS)}")
    names = [configured.name for configured in context.settings.senders]
    if sender is not None and sender not in names:
        raise ValueError(f"there is no sender {sender!r}; there are {', '.join(names)}")
    chosen = [sender] if sender else names
    if action == "list":
        await _list(client, chosen, answer)
    elif action == "show" and not request.get("all"):
        await _show(client, _by_sender(ids, names), answer)
    elif request.get("all"):
        await _do(client, context, action, {name: _all(client, name, answer) for name in chosen}, answer)
    else:
        portions = {name: _portions(parked) for name, parked in _by_sender(ids, names).items()}
        await _do(client, context, action, portions, answer)


def actions_of(parked: ParkedEvents) -> dict[str, Action]:
    """Return the actions on *parked* events that a sender offers, in its own process."""

    async def replay(request: Mapping[str, Any]) -> dict[str, Any]:
        return {"problems": await parked.replay(request["names"])}

    async def drop(request: Mapping[str, Any]) -> dict[str, Any]:
        return {"problems": await parked.drop(request["names"])}

    return {"replay": replay, "drop": drop}


async def _do(
    client: Client, context: RequestContext, action: str, portions: dict[str, AsyncIterator[list[str]]], answer: Answer
) -> None:
    """Have the senders do *action* with *portions* of their letters; tell what is done, at the end what is not."""
    await answer.items("done")
    done = 0
    with Spool((context.settings.global_.data_dir / SOCKET).parent) as problems:
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
    async def at_it() -> None:
        await answer.progress(f"{sender} is at work, letters", len(request["names"]))

    problems: dict[str, str] = (await ask(client, sender, request, at_it))["problems"]
    return problems


async def _all(client: Client, sender: str, answer: Answer) -> AsyncIterator[list[str]]:
    """Yield, in portions, the names of the letters that are parked now; letters that come later are left out."""
    offsets, others = array("Q"), []
    async for letter in DeadLetterStore(client, sender).summaries():
        # The number becomes the same name again later: no numeric name begins with a zero.
        offsets.append(int(letter.name)) if letter.name.isdigit() else others.append(letter.name)
        await answer.progress(f"{sender}: reading what is parked", len(offsets))
    for start in range(0, len(offsets), PORTION):
        yield [str(offset) for offset in offsets[start : start + PORTION]]
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
        async for letter in store.summaries():
            sequences.append(letter.sequence)
            sizes.append(min(letter.size, SHOWN_BYTES))
            await answer.progress(f"{sender}: counting what is parked", len(sequences))
        for part in _fitting(sizes):
            found = await asyncio.gather(*(store.at(sequence) for sequence in sequences[part]))
            await answer.items("deadLetters", [_shown(sender, letter, False) for letter in found if letter is not None])
            listed += len(found)
            await answer.progress(f"{sender}: reading what is parked", listed)


def _fitting(sizes: array[int]) -> Iterator[slice]:
    """Cut letters of these *sizes* (bytes) into slices that may be in memory at once."""
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
