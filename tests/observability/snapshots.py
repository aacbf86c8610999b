"""Snapshots for tests: of a kigeon that is well, and what it takes to make it ill."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kigeon.events.summary import EventSummary
from kigeon.observability.snapshot import Moment, Part, Snapshot

NOW = Moment(1_800_000_000.0, 10_000.0)


def part(ready: bool = True, for_: float = 600.0, **more: Any) -> Part:
    """Return a part that has been ready, or not, *for_* seconds."""
    return Part(ready=ready, since=NOW.steady - for_, was_ready=True, **more)


def histogram(*counts: int) -> dict[str, Any]:
    """Return what a histogram of two buckets tells."""
    return {"bounds": [0.1, 1.0], "counts": list(counts), "sum": 3.5}


SENDER = {
    "position": 7, "first": 1, "number": 11, "open": 2, "sent": 5, "filtered": 1, "skipped": 1, "parked": 1,
    "evicted": 0, "resent": 3, "undecided": 1, "ended": {"sent": 5, "parked": 1},
    "pushes": {"delivered": 2, "no_answer": 1},
    "pushSeconds": histogram(1, 2, 3), "secondsSinceEvent": histogram(0, 1, 5),
    "secondsSinceStored": histogram(5, 5, 5),
    "hookSeconds": histogram(4, 4, 4), "hookKills": 1, "hookPids": [71, 0, 73],
    "streams": {"known": 4, "proven": 3, "held": 1, "unproven": 2},
    "blocked": ["http://loki"], "held": [
        {"destination": "http://loki", "stream": "", "state": "away", "reason": "503", "cure": "", "since": 9_990.0,
         "next": 10_010.0, "events": 2},
    ],
}  # fmt: skip

WELL = Snapshot(
    version="1.2.3",
    started_at=1_799_999_000.0,
    config_hash=42,
    queue_limit=2**20,
    senders=("loki",),
    nats_server=part(pid=2),
    actors=part(),
    children={
        "watcher": part(
            report={
                "watching": True, "lists": 1, "watches": 2, "relistsByCause": {"expired": 1}, "errors": 4, "gaps": 0,
                "lastGap": None, "heardAt": NOW.steady - 5.0, "pending": 3, "waiting": 0, "problem": "",
            }
        ),
        "deduplicator": part(report={"remembered": 9, "cluster": [["Warning", "Back\"Off\\\n", "", 7]]}),
        "queue": part(
            report={
                "received": 14, "stored": 10, "repeated": 3, "unreadable": 1, "watchedUntil": 1_799_999_999.0,
                "open": True, "storingSince": 0.0, "streams": {
                    "kigeon-events": {"messages": 2, "bytes": 900, "oldest": 1_799_999_500.0},
                    "kigeon-dead-letter": {"messages": 1, "bytes": 90, "oldest": 1_799_999_600.0},
                },
            }
        ),
        "sender/loki": part(report=SENDER, restarts=2),
    },
    latest=(
        (1, EventSummary(1_799_999_990.0, "Normal", "Pulled", "shop", "pod/web-0", "Pulled the image")),
        (2, EventSummary(1_799_999_995.0, "Warning", "BackOff", "bank", "pod/api-1", "<b>Back-off</b> & \"more\"", 3)),
    ),
)  # fmt: skip


MEMBER = {
    "replica": "kigeon-b", "id": "b", "holds": ["sender.loki"], "others": 2, "holders": {
        "pipeline": {"replica": "kigeon-a", "since": "2026-11-28T12:00:00+00:00", "id": "a"},
        "sender.loki": {"replica": "kigeon-b", "since": "2026-11-28T12:30:00+00:00", "id": "b"},
    },
}  # fmt: skip

STANDBY = replace(
    WELL,
    external=True,
    children={"membership": part(report={**MEMBER, "holds": []})},
)
"""One of three replicas, which holds no role."""

SENDS = replace(WELL, external=True, children={"membership": part(report=MEMBER), "sender/loki": part(report=SENDER)})
"""One that sends, and does nothing else."""


def with_child(name: str, child: Part, snapshot: Snapshot = WELL) -> Snapshot:
    """Return *snapshot* with another actor *name*."""
    return replace(snapshot, children={**snapshot.children, name: child})


def with_report(name: str, **more: Any) -> Snapshot:
    """Return a snapshot that is well but for what one actor tells."""
    child = WELL.child(name)
    return with_child(name, replace(child, report={**child.report, **more}))
