"""The accounts of a running kigeon, as ``kigeon status`` has them, from what the actors told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kigeon.clock import stamp
from kigeon.observability.snapshot import Snapshot

OUTCOMES = ("sent", "filtered", "skipped", "parked", "evicted")


def watcher_accounts(snapshot: Snapshot) -> Mapping[str, Any]:
    """Return received = stored + repeated + unreadable; nothing before that is known."""
    report = snapshot.child("queue").report
    if "stored" not in report:
        return {}
    until = report.get("watchedUntil")
    return {
        **{name: report[name] for name in ("received", "stored", "repeated", "unreadable")},
        "watchedUntil": stamp(until) if until else None,
    }


def sender_accounts(snapshot: Snapshot, name: str) -> Mapping[str, int]:
    """Return what became of all that was stored for a sender; nothing before that is known."""
    report = snapshot.sender(name).report
    stored_ever = snapshot.child("queue").report.get("stored")
    if "position" not in report or stored_ever is None:
        return {}
    next_offset = stored_ever + 1
    first = report["first"] or next_offset
    # What one actor told may be a little older than what the other did.
    waiting = max(next_offset - (report["number"] or next_offset), 0) + report["open"]
    counts = {outcome: report.get(outcome, 0) for outcome in OUTCOMES}
    return {
        "stored": max(next_offset - first, sum(counts.values()) + waiting),
        **counts,
        "waiting": waiting,
        "resent": report["resent"],
    }
