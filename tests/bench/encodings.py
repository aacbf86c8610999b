"""What a line costs Loki and its sender, by encoding: ``python -m tests.bench.encodings [--events N] [--rounds N]``.

A real Loki, built as for ``tests/conformance``. The encodings take turns in one run, each with a tenant of its own a
turn; the ratios can be compared across machines. Loki's processor time is that of its whole process between the first
push of a turn and the last answer, so what it does besides is in it. The sender's is that of one thread which makes
bodies, and that of the thread which pushes them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from kigeon.senders.entry import PushStatus
from kigeon.senders.loki.body import body_of
from kigeon.senders.loki.entry import LokiEntry
from kigeon.senders.loki.settings import ENCODINGS, JSON, PROTOBUF, LokiSettings
from kigeon.senders.loki.sink import LokiSink
from tests.conformance.loki import RealLoki
from tests.support.events import make_event
from tests.support.processes import processor_seconds

LINES = 1000
"""Of a push."""

LIMITS = {
    "ingestion_rate_mb": 1000,
    "ingestion_burst_size_mb": 1000,
    "per_stream_rate_limit": "1GB",
    "per_stream_rate_limit_burst": "1GB",
}
"""As good as none."""

Figures = dict[str, float]


def events_of(count: int) -> list[dict[str, Any]]:
    """Return events in eight streams, as a cluster's are: each with a name, a message and a uid of its own."""
    return [
        make_event(number, f"team-{number % 4}", type=("Normal", "Warning")[number // 4 % 2]) for number in range(count)
    ]


def turn(loki: RealLoki, encoding: str, tenant: str, events: Sequence[dict[str, Any]]) -> Figures:
    """Push *events*; return microseconds of processor time a line, and bytes of a body."""
    sink = LokiSink(LokiSettings(loki.url, tenant, encoding=encoding))
    entries: list[LokiEntry] = [sink.entry(event, None) for event in events]
    pushes = [entries[start : start + LINES] for start in range(0, len(entries), LINES)]
    began = time.thread_time()
    size = sum(len(body_of(push, encoding)) for push in pushes)
    bodies = time.thread_time() - began
    used, began = processor_seconds([loki.server.pid]), time.thread_time()
    for push in pushes:
        answer = sink.push(push[0].destination, push)
        if answer.status is not PushStatus.DELIVERED:
            raise SystemExit(f"Loki does not take it: {answer}")
    pushed = time.thread_time() - began
    used = processor_seconds([loki.server.pid]) - used
    sink.close()
    each = 1e6 / len(events)
    return {
        "Loki, µs/line": used * each,
        "sender, the body, µs/line": bodies * each,
        "sender, the whole push, µs/line": pushed * each,
        "bytes/line": size / len(events),
    }


def main() -> int:
    """Measure; return 1 where protobuf costs Loki no less."""
    parser = argparse.ArgumentParser(description="what encodings cost")
    parser.add_argument("--events", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    events = events_of(asked.events)
    found: dict[str, list[Figures]] = {encoding: [] for encoding in ENCODINGS}
    with tempfile.TemporaryDirectory() as folder, RealLoki(Path(folder)) as loki:
        every = [f"{encoding}-{number}" for encoding in ENCODINGS for number in range(-1, asked.rounds)]
        loki.limit(dict.fromkeys(every, LIMITS))
        for number in range(-1, asked.rounds):
            for encoding in ENCODINGS if number % 2 else reversed(ENCODINGS):
                figures = turn(loki, encoding, f"{encoding}-{number}", events)
                # The first turn of each warms up.
                if number >= 0:
                    found[encoding].append(figures)
    sys.stdout.write(f"{'':42} {'least':>8} {'median':>8} {'most':>8}\n")
    for name in found[JSON][0]:
        for encoding in ENCODINGS:
            tell(f"{encoding}: {name}", [figures[name] for figures in found[encoding]])
        ratios = [a[name] / b[name] for a, b in zip(found[JSON], found[PROTOBUF], strict=True)]
        tell(f"JSON / protobuf: {name}", ratios)
        if name.startswith("Loki") and median(ratios) <= 1:
            return 1
    return 0


def tell(what: str, figures: Sequence[float]) -> None:
    """Print the least, the median and the most."""
    least, *_, most = ordered = sorted(figures)
    sys.stdout.write(f"{what:42} {least:8.2f} {median(ordered):8.2f} {most:8.2f}\n")


if __name__ == "__main__":
    sys.exit(main())
