"""Which replicas there are, and who holds which role since when, as the records say it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from nats.aio.client import Client

from kigeon.errors import QueueError
from kigeon.leases.records import View
from kigeon.leases.registry import Registry

ATTEMPT, AGAIN = 1.0, 0.2
"""Seconds for the records to come, and until they are asked for again: a nats-server may just have been lost."""

PATIENCE = 8.0
"""Seconds from which on it is not asked again: by then a cluster has elected."""


async def read_replicas(client: Client, patience: float = PATIENCE) -> dict[str, Any]:
    """Return the members ``roles`` and ``replicas`` of a status; :class:`QueueError` after *patience* seconds."""
    until = time.monotonic() + patience
    while True:
        try:
            view = await _read(client)
            # The replica that asks has a lease itself.
            if view.replicas or time.monotonic() >= until:
                return shown(view)
        except QueueError:
            if time.monotonic() >= until:
                raise
        await asyncio.sleep(AGAIN)


async def _read(client: Client) -> View:
    watch = Registry(client).watch()
    try:
        return await watch.next(ATTEMPT)
    finally:
        await watch.close()


def shown(view: View) -> dict[str, Any]:
    """Return what is known of roles and replicas as plain data; nobody holds a role whose ``replica`` is None."""
    there = {name: found.record for name, found in view.replicas.items() if not found.record.left}
    held: dict[str, list[str]] = {}
    roles = {}
    for role, found in sorted(view.roles.items()):
        holder = there.get(found.record.holder)
        roles[role] = {"replica": holder.name, "since": found.record.since} if holder else {"replica": None}
        held.setdefault(found.record.holder, []).append(role)
    replicas = [
        {"name": replica.name, "id": replica.id, "since": replica.since, "roles": held.get(replica.id, [])}
        for replica in sorted(there.values(), key=lambda replica: (replica.name, replica.id))
    ]
    return {"roles": roles, "replicas": replicas}
