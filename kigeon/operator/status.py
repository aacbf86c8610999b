"""``status``: the accounts, from what is durable."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from nats.aio.client import Client

from kigeon.operator.admin_socket import RequestContext
from kigeon.operator.answer import Answer
from kigeon.operator.sender_accounts import read_sender_accounts
from kigeon.queue.log.checkpoint import CheckpointRecord
from kigeon.queue.log.compaction import covered
from kigeon.queue.log.end import last_log_end, read_log_end
from kigeon.queue.log.protocol import LogEnd


async def status(client: Client, context: RequestContext, request: dict[str, Any], answer: Answer) -> None:
    """Tell what became of everything that was received, and of everything that was stored, for each sender.

    Where nothing waits in a retry stream, that is read from a few records.
    """
    # In this order: whatever a sender has counted was stored before.
    accounts = {
        sender.name: await read_sender_accounts(client, sender.name, answer) for sender in context.settings.senders
    }
    log_end = await current_log_end(client)
    await answer.members({"watcher": watcher_accounts(log_end)})
    await answer.members({"senders": {name: dict(found.accounts(log_end)) for name, found in accounts.items()}})


def watcher_accounts(log_end: LogEnd) -> dict[str, Any]:
    """Return the Watcher's accounts: received = stored + repeated + unreadable."""
    stored, checkpoint = log_end.next_offset - 1, log_end.checkpoint
    until = datetime.fromtimestamp(checkpoint.watched_until, UTC).isoformat(timespec="seconds")
    return {
        "received": stored + checkpoint.repeated + checkpoint.unreadable,
        "stored": stored,
        "repeated": checkpoint.repeated,
        "unreadable": checkpoint.unreadable,
        "watchedUntil": until if checkpoint.watched_until else None,
    }


async def current_log_end(client: Client) -> LogEnd:
    """Return where the events stream ends now, and the Watcher's books there."""
    log_end = await last_log_end(client)
    if log_end is None:
        log_end, _ = await read_log_end(client, await covered(client))
    return replace(log_end, checkpoint=await CheckpointRecord(client).latest(log_end))
