"""An EventCollector that is fed by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

from kigeon.events.checkpoint import CheckpointDelta
from kigeon.kube.collector import EventCollector
from kigeon.kube.lines import WatchEvent, parse_line
from kigeon.kube.outbox import Outbox
from tests.support.events import make_event


def watch_line(kind: str, batch_seq: int, version: str) -> WatchEvent:
    """Return a line of a watch of one type, with an Event that has a version."""
    event = make_event(batch_seq)
    event["metadata"]["resourceVersion"] = version
    return parse_line(b'{"type":"%s","object":%s}' % (kind.encode(), orjson.dumps(event)))


def stamped(batch_seq: int, written: float) -> dict[str, Any]:
    """Return an Event that was written at a time, in seconds since the epoch."""
    stamp = datetime.fromtimestamp(written, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    event = make_event(batch_seq, firstTimestamp=stamp, lastTimestamp=stamp)
    event["metadata"]["creationTimestamp"] = stamp
    return event


class Watching:
    """A collector with a clock of its own, and lists as long as they have to be."""

    def __init__(self, watched_until: float = 0.0, lifetime: float = 3600.0) -> None:
        self.now = 1_000_000_000.0
        self.outbox = Outbox()
        self.outbox.connect(1)
        self.steady = 0.0
        self.collector = EventCollector(
            self.outbox, lifetime, watched_until, clock=lambda: self.now, steady=lambda: self.steady
        )

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.steady += seconds
        self.collector.on_events([watch_line("BOOKMARK", 1, "9")])

    def list(self, *ages: float) -> None:
        pages = [stamped(batch_seq, self.now - age) for batch_seq, age in enumerate(ages)]
        half = len(pages) // 2
        self.collector.on_list_page([(event, b"{}") for event in pages[:half]], "")
        self.collector.on_list_page([(event, b"{}") for event in pages[half:]], "7")

    def delete(self, *ages: float) -> None:
        raw = [orjson.dumps(stamped(batch_seq, self.now - age)) for batch_seq, age in enumerate(ages)]
        self.collector.on_events([parse_line(b'{"type":"DELETED","object":%s}' % event) for event in raw])

    def delta(self) -> CheckpointDelta:
        batch = self.outbox.take()
        assert batch is not None
        return batch.delta
