"""Which replicas there are, and who holds which role since when, as the records say it."""

from __future__ import annotations

from typing import Any

from nats.aio.client import Client

from kigeon.leases.records import View
from kigeon.leases.registry import Registry

PATIENCE = 1.0
"""Seconds for the records to come."""


async def read_replicas(client: Client) -> dict[str, Any]:
    """Return the members ``roles`` and ``replicas`` of a status. Raises :class:`QueueError`."""
    watch = Registry(client).watch()
    try:
        return shown(await watch.next(PATIENCE))
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
