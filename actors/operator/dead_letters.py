"""``dead-letter``: list, show, replay, drop. The last two are the sender's own to do, and are asked of it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import NoRespondersError

from actors.operator.door import Order
from kigeon.errors import KigeonError, QueueError
from kigeon.queue.connection import queue_errors
from kigeon.queue.dead_letter import DeadLetter, DeadLetterStore
from kigeon.senders.replaying import ParkedEvents

log = logging.getLogger(__name__)

SUBJECT = "kigeon.operate"
PATIENCE = 60.0
ACTIONS = ("list", "show", "replay", "drop")


async def dead_letter(client: Client, order: Order, request: dict[str, Any]) -> dict[str, Any]:
    """Do what is asked; ``ids`` are ``<sender>/<name>``, ``sender`` narrows down, ``all`` takes all there are."""
    action, ids, sender = request.get("action"), request.get("ids") or [], request.get("sender")
    if action not in ACTIONS:
        raise ValueError(f"action must be one of {', '.join(ACTIONS)}")
    names = [configured.name for configured in order.settings.senders]
    if sender is not None and sender not in names:
        raise ValueError(f"there is no sender {sender!r}; there are {', '.join(names)}")
    chosen = [sender] if sender else names
    if action == "list" or request.get("all"):
        ids = [f"{name}/{letter.name}" for name in chosen for letter in await DeadLetterStore(client, name).all()]
    by_sender = _by_sender(ids, names)
    if action in ("list", "show"):
        return {"deadLetters": await _show(client, by_sender, action == "show")}
    problems: dict[str, str] = {}
    for name, parked in by_sender.items():
        found = await _ask(client, name, {"action": action, "names": parked})
        problems |= {f"{name}/{key}": problem for key, problem in found.items()}
    return {"done": [name for name in ids if name not in problems], "problems": problems}


async def serve(client: Client, sender: str, parked: ParkedEvents) -> None:
    """Answer what is asked of a *sender*, in its own process, for as long as the connection lasts."""
    actions: dict[str, Callable[[Sequence[str]], Awaitable[dict[str, str]]]] = {
        "replay": parked.replay,
        "drop": parked.drop,
    }

    async def answer(message: Msg) -> None:
        try:
            request = orjson.loads(message.data)
            answer = {"problems": await actions[request["action"]](request["names"])}
        except (KigeonError, ValueError, KeyError, TypeError) as error:
            log.warning("an operator's request failed", extra={"error": repr(error)})
            answer = {"error": {"said": str(error)}}
        await message.respond(orjson.dumps(answer))

    await client.subscribe(f"{SUBJECT}.{sender}", cb=answer)


async def _ask(client: Client, sender: str, request: dict[str, Any]) -> dict[str, str]:
    with queue_errors(f"asking the sender {sender}"):
        try:
            message = await client.request(f"{SUBJECT}.{sender}", orjson.dumps(request), timeout=PATIENCE)
        except NoRespondersError as error:
            raise QueueError(f"the sender {sender} does not run now: ask again") from error
    answer = orjson.loads(message.data)
    if "error" in answer:
        raise QueueError(f"the sender {sender}: {answer['error']['said']}")
    problems: dict[str, str] = answer["problems"]
    return problems


async def _show(client: Client, by_sender: dict[str, list[str]], wholly: bool) -> list[dict[str, Any]]:
    found = []
    for sender, names in by_sender.items():
        store = DeadLetterStore(client, sender)
        for name in names:
            letter = await store.load(name)
            if letter is not None:
                found.append(_shown(sender, letter, wholly))
            elif wholly:
                raise ValueError(f"{sender}/{name}: there is no such dead letter")
    return found


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
