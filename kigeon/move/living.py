"""Whether a kigeon runs on an external queue: its replicas renew their leases, one that is gone does not."""

from __future__ import annotations

import asyncio
import time

from nats.aio.client import Client

from kigeon.leases.keeper import Timing
from kigeon.leases.records import LEASE_KEY, read_replica
from kigeon.queue.broker.connection import names_of
from kigeon.queue.broker.scan import scan

LOOK_EVERY = 0.5
"""Seconds."""


async def living_replicas(client: Client, timing: Timing) -> list[str]:
    """Return the names of replicas that live; raises :class:`QueueError`.

    A lease that has not ended, and is not renewed for as long as leases last, is that of one that was killed.
    """
    before = await _leases(client)
    until = time.monotonic() + timing.lease + timing.renew
    while before and time.monotonic() < until:
        await asyncio.sleep(LOOK_EVERY)
        now = await _leases(client)
        if found := sorted(name for key, (sequence, name) in now.items() if before.get(key, (0, ""))[0] != sequence):
            return found
    return []


async def _leases(client: Client) -> dict[str, tuple[int, str]]:
    """Return the leases that have not ended, by their subjects: the sequence of each, and the name of its replica."""
    names = names_of(client)
    prefix = names.record_subject(f"{LEASE_KEY}.")
    found = {}
    async for message in scan(client, names.state_stream, f"{prefix}*", 1):
        replica = read_replica(message.subject.removeprefix(prefix), message.payload)
        if not replica.left and replica.name:
            found[message.subject] = (message.sequence, replica.name)
    return found
