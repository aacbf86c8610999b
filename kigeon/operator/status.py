"""``status`` tells the accounts, from durable records."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from nats.aio.client import Client

from kigeon.clock import stamp
from kigeon.operator.address import SOCKET
from kigeon.operator.admin_socket import RequestContext
from kigeon.operator.answer import Answer
from kigeon.operator.following import SIGN_OF_LIFE, following
from kigeon.operator.replicas import read_replicas
from kigeon.operator.sender_accounts import read_sender_accounts
from kigeon.operator.waits import read_waits
from kigeon.queue.log.checkpoint import CheckpointRecord
from kigeon.queue.log.compaction import covered
from kigeon.queue.log.end import last_log_end, read_log_end
from kigeon.queue.log.protocol import LogEnd


async def status(client: Client, context: RequestContext, request: dict[str, Any], answer: Answer) -> None:
    """Tell what became of everything that was received, and of everything that was stored, for each sender.

    With ``every``, a number of seconds, a new item of ``statuses`` follows each time, while the client reads.
    """
    every = request.get("every")
    if every is None:
        await answer.members(await read_status(client, context, answer))
        return
    if not isinstance(every, (int, float)) or not 0 < every <= SIGN_OF_LIFE:
        raise ValueError(f"every must be a number of seconds, at most {SIGN_OF_LIFE:g}")
    with following((context.settings.global_.data_dir / SOCKET).parent):
        while True:
            await answer.items("statuses", [await read_status(client, context, answer)])
            await asyncio.sleep(every)


async def read_status(client: Client, context: RequestContext, answer: Answer) -> dict[str, Any]:
    """Return the accounts, what each sender says that it waits for, and, of several replicas, who holds which role.

    Where nothing waits in a retry stream, the accounts are read from a few records.
    """
    # The order matters: everything that a sender has counted was stored before.
    names = [sender.name for sender in context.settings.senders]
    accounts = {name: await read_sender_accounts(client, name, answer) for name in names}
    log_end = await current_log_end(client)
    return {
        "watcher": watcher_accounts(log_end),
        "senders": {name: dict(found.accounts(log_end)) for name, found in accounts.items()},
        "waits": await read_waits(client, names),
        **(await read_replicas(client) if context.queue.external is not None else {}),
    }


def watcher_accounts(log_end: LogEnd) -> dict[str, Any]:
    """Return the Watcher's accounts: received = stored + repeated + unreadable."""
    stored, checkpoint = log_end.next_offset - 1, log_end.checkpoint
    return {
        "received": stored + checkpoint.repeated + checkpoint.unreadable,
        "stored": stored,
        "repeated": checkpoint.repeated,
        "unreadable": checkpoint.unreadable,
        "watchedUntil": stamp(checkpoint.watched_until) if checkpoint.watched_until else None,
    }


async def current_log_end(client: Client) -> LogEnd:
    """Return where the events stream ends now, and the Watcher's books there."""
    log_end = await last_log_end(client)
    if log_end is None:
        log_end, _ = await read_log_end(client, await covered(client))
    return replace(log_end, checkpoint=await CheckpointRecord(client).latest(log_end))
