"""Whether an account of an external JetStream has room for kigeon's streams. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nats.js import api

from kigeon.finding import Finding, failed

SUBJECT = "queue"


def check_limits(
    account: Mapping[str, Any], missing: Sequence[api.StreamConfig], replicas: int, largest: int
) -> Iterator[Finding]:
    """Yield what of an *account*, as JetStream tells it, is less than what the *missing* streams may grow to.

    An account has one limit for everything, in which each replica counts, or one for each number of replicas.
    *largest* is queue.eventsMaxBytes.
    """
    tiers = account.get("tiers")
    if isinstance(tiers, dict) and tiers:
        told, counts = tiers.get(f"R{replicas}"), 1
        if told is None:
            cure = f"give the account a limit for R{replicas}, or change queue.replicas"
            yield failed(SUBJECT, f"the account may have no stream of {replicas} replicas", cure)
            return
    else:
        told, counts = account, replicas
    limits = told.get("limits", {})
    yield from _storage(told, limits, sum(config.max_bytes or 0 for config in missing) * counts)
    most = limits.get("storage_max_stream_bytes", 0)
    if 0 < most < largest:
        said = f"a stream of the account may have {mebi(most)}, and queue.eventsMaxBytes is {mebi(largest)}"
        yield failed(SUBJECT, said, "raise the account's limit for a stream, or lower queue.eventsMaxBytes")
    free = limits.get("max_streams", -1) - told.get("streams", 0)
    if limits.get("max_streams", -1) >= 0 and free < len(missing):
        said = f"the account may have {max(free, 0)} streams more, and kigeon needs {len(missing)}"
        yield failed(SUBJECT, said, "raise the account's limit of streams: five, and one for each sender")


def _storage(told: Mapping[str, Any], limits: Mapping[str, Any], needed: int) -> Iterator[Finding]:
    most = limits.get("max_storage", -1)
    free = most - max(told.get("reserved_storage", 0), told.get("storage", 0))
    if most >= 0 and free < needed:
        said = f"the account may store {mebi(free)} more, and kigeon's streams may grow to {mebi(needed)}"
        cure = f"raise the account's limit of storage by {mebi(needed - free)}, or lower queue.eventsMaxBytes"
        yield failed(SUBJECT, f"{said}, replicas counted", cure)


def mebi(size: int) -> str:
    """Return *size* in Mi."""
    return f"{max(size, 0) // 2**20}Mi"
