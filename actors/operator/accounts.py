"""``status``: the accounts, from what is durable."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from nats.aio.client import Client

from actors.operator.answer import Answer
from actors.operator.books import read_books
from actors.operator.door import Order
from kigeon.queue.compaction import covered
from kigeon.queue.publisher import Tail
from kigeon.queue.settled import SettledBooks
from kigeon.queue.tail import last_tail, read_tail


async def status(client: Client, order: Order, request: dict[str, Any], answer: Answer) -> None:
    """Tell what became of everything that was received, and of everything that was stored, for each sender.

    Where nothing waits in a retry stream, that is read from a few records.
    """
    # In this order: whatever a sender has counted was stored before.
    books = {sender.name: await read_books(client, sender.name, answer) for sender in order.settings.senders}
    tail = await current_tail(client)
    await answer.members({"watcher": watcher_accounts(tail)})
    await answer.members({"senders": {name: dict(found.accounts(tail)) for name, found in books.items()}})


def watcher_accounts(tail: Tail) -> dict[str, Any]:
    """Return the Watcher's accounts: received = stored + repeated + unreadable."""
    stored, mark = tail.next_number - 1, tail.mark
    until = datetime.fromtimestamp(mark.watched_until, UTC).isoformat(timespec="seconds")
    return {
        "received": stored + mark.repeated + mark.unreadable,
        "stored": stored,
        "repeated": mark.repeated,
        "unreadable": mark.unreadable,
        "watchedUntil": until if mark.watched_until else None,
    }


async def current_tail(client: Client) -> Tail:
    """Return where the events stream ends now, and the Watcher's books there."""
    tail = await last_tail(client)
    if tail is None:
        tail, _ = await read_tail(client, await covered(client))
    return replace(tail, mark=await SettledBooks(client).latest(tail))
