"""What a dear hook does to latency: ``python -m tests.bench.hook_flow [RATE] [--seconds N] [--rounds N]``.

Two senders send the same steady flow; the one has the dear script of :mod:`tests.bench.hook`, the other no hook. In
turns with ``workers: 1`` and with as many workers as kigeon takes by itself. The latency of an event is the time from
when it happens to when the push with it arrives.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.bench.hook import DEAR, STEPS
from tests.bench.light import PreparedApi, RecordingLoki
from tests.bench.lists import Figures, tell
from tests.support.events import make_event
from tests.support.kigeon import Kigeon, loki_sender

TICK = 0.02
"""Seconds between two portions of the flow."""

BEFORE = 10**6
"""The number of the event that shows that the watch is open and both senders send."""


def flow(api: PreparedApi, rate: int, seconds: float) -> list[float]:
    """Have prepared events happen; return when each did."""
    happened: list[float] = []
    began = time.monotonic()
    for tick in range(int(seconds / TICK)):
        time.sleep(max(began + tick * TICK - time.monotonic(), 0.0))
        api.tell(int(rate * TICK))
        happened += [time.monotonic()] * int(rate * TICK)
    return happened


def latencies(loki: RecordingLoki, happened: list[float], name: str) -> Figures:
    """Return the latency (ms) of the events, which arrived in the order in which they *happened* after a first one."""
    arrived = [push.time for push in loki.pushes for _ in range(push.lines)][1:]
    found = sorted(came - was for came, was in zip(arrived, happened, strict=True))
    return {f"{name}: {part} %, ms": found[len(found) * part // 100] * 1e3 for part in (50, 99)}


def measured(rate: int, seconds: float, more: Mapping[str, Any]) -> Figures:
    """Measure with *more* keys of the hook."""
    with PreparedApi() as api, RecordingLoki() as dear, RecordingLoki() as plain, tempfile.TemporaryDirectory() as name:
        script = Path(name) / "hook.star"
        script.write_text(DEAR.format(STEPS))
        senders = [loki_sender(dear, "dear", hook={"script": str(script), **more}), loki_sender(plain, "plain")]
        with Kigeon(Path(name) / "kigeon", api, senders, global_={"logLevel": "info"}):
            api.put_events([make_event(BEFORE)])
            for loki in (dear, plain):
                loki.wait_for(1)
            # Not before: a list shows what is prepared as what was.
            api.prepare_events(make_event(number) for number in range(int(rate * seconds)))
            for loki in (dear, plain):
                loki.record()
            happened = flow(api, rate, seconds)
            for loki in (plain, dear):
                loki.await_all(1 + len(happened))
            return {**latencies(dear, happened, "with the hook"), **latencies(plain, happened, "without a hook")}


def main() -> None:
    """Measure in turns."""
    parser = argparse.ArgumentParser(description="what a dear hook does to latency")
    parser.add_argument("rate", type=int, nargs="?", default=6000, help="events a second")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    found: dict[str, list[Figures]] = {}
    for _ in range(asked.rounds):
        for name, more in (("1 worker", {"workers": 1}), ("left to kigeon", {})):
            found.setdefault(name, []).append(measured(asked.rate, asked.seconds, more))
    sys.stdout.write(f"{'':69} {'least':>10} {'median':>10} {'most':>10}\n")
    for what, rounds in found.items():
        tell(what, rounds)


if __name__ == "__main__":
    main()
