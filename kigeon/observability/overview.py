"""What the status page shows, as plain data: ``/api/status``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kigeon.clock import stamp
from kigeon.observability.accounts import sender_accounts, watcher_accounts
from kigeon.observability.health import Check, livez, passed, readyz
from kigeon.observability.snapshot import MEMBERSHIP, Moment, Part, Snapshot

RECENT = 600.0
"""Seconds for which it is told that something failed, although it may work now."""


def overview(snapshot: Snapshot, age: float, now: Moment) -> dict[str, Any]:
    """Return what there is to see; ``watcher`` and ``senders`` have the members of ``kigeon status --json``."""
    live, ready = livez(snapshot, age, now), readyz(snapshot, age, now)
    return {
        "version": snapshot.version,
        "time": stamp(now.day),
        "startedAt": stamp(snapshot.started_at),
        "live": passed(live),
        "ready": passed(ready),
        "checks": {"livez": told(live), "readyz": told(ready)},
        "cluster": _cluster(snapshot, now),
        "watcher": dict(watcher_accounts(snapshot)),
        "queue": _queue(snapshot),
        "senders": {name: _sender(snapshot, name, now) for name in snapshot.senders},
        "roles": [
            {"role": role, **{key: holder[key] for key in ("replica", "since")}}
            for role, holder in snapshot.child(MEMBERSHIP).report.get("holders", {}).items()
        ],
        "processes": {
            "nats-server": _part(snapshot.nats_server),
            "actor system": _part(snapshot.actors),
            **{name: _part(part) for name, part in snapshot.children.items()},
        },
    }


def told(checks: list[Check]) -> list[dict[str, Any]]:
    """Return *checks* as plain data."""
    return [{"name": check.name, "passed": check.passed, "reason": check.reason} for check in checks]


def _cluster(snapshot: Snapshot, now: Moment) -> dict[str, Any]:
    report = snapshot.child("watcher").report
    return {
        "watching": bool(report.get("watching")),
        "lastHeard": now.stamp(report.get("heardAt", 0.0)),
        "problem": report.get("problem", ""),
        "pending": report.get("pending", 0),
        "lists": report.get("lists", 0),
        "relists": report.get("relistsByCause", {}),
        "gaps": report.get("gaps", 0),
        "lastGap": report.get("lastGap"),
        "clockAhead": round(report.get("clockAhead", 0.0)),
    }


def _queue(snapshot: Snapshot) -> dict[str, Any]:
    streams: Mapping[str, Mapping[str, float]] = snapshot.child("queue").report.get("streams", {})
    events = streams.get("kigeon-events", {})
    oldest = events.get("oldest")
    return {
        "bytes": events.get("bytes", 0),
        "limitBytes": snapshot.queue_limit,
        "oldest": stamp(oldest) if oldest else None,
        "digests": snapshot.child("deduplicator").report.get("remembered", 0),
        "deadLetters": streams.get("kigeon-dead-letter", {}).get("messages", 0),
    }


def _sender(snapshot: Snapshot, name: str, now: Moment) -> dict[str, Any]:
    report = snapshot.sender(name).report
    held = [
        {**lane, "since": now.stamp(lane["since"]), "next": now.stamp(lane["next"])} for lane in report.get("held", ())
    ]
    return {
        **sender_accounts(snapshot, name),
        "ready": snapshot.sender(name).ready,
        "undecided": report.get("undecided", 0),
        "pushes": report.get("pushes", {}),
        "streams": report.get("streams", {}),
        "held": held,
        "troubles": [
            {**trouble, "at": now.stamp(trouble["at"])}
            for trouble in report.get("troubles", ())
            if now.steady - trouble["at"] <= RECENT
        ],
    }


def _part(part: Part) -> dict[str, Any]:
    return {"ready": part.ready, "restarts": part.restarts, "problem": part.problem}
