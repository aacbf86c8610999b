"""What an expensive hook does to latency: ``python -m tests.bench.hook_flow [RATE] [--seconds N] [--rounds N]``.

Two senders send the same steady flow; the one has the expensive script of :mod:`tests.bench.hook`, the other no hook.
In turns with ``workers: 1`` and with as many workers as kigeon takes by itself. The latency of an event is the time
from its creation to when the push with it arrives.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.bench.hook import EXPENSIVE, STEPS
from tests.bench.light import PreparedApi, RecordingLoki
from tests.bench.lists import Figures, tell
from tests.bench.steady import latencies, put_steadily
from tests.support.events import make_event
from tests.support.kigeon import Kigeon, loki_sender

BEFORE = 10**6
"""The number of the event that shows that the watch is open and both senders send."""


def told(found: list[float], name: str) -> Figures:
    """Return what is told of latencies."""
    return {f"{name}: {part} %, ms": found[len(found) * part // 100] * 1e3 for part in (50, 99)}


def measured(rate: int, seconds: float, more: Mapping[str, Any]) -> Figures:
    """Measure with *more* keys of the hook."""
    with (
        PreparedApi() as api,
        RecordingLoki() as expensive,
        RecordingLoki() as plain,
        tempfile.TemporaryDirectory() as name,
    ):
        script = Path(name) / "hook.star"
        script.write_text(EXPENSIVE.format(STEPS))
        senders = [
            loki_sender(expensive, "expensive", hook={"script": str(script), **more}),
            loki_sender(plain, "plain"),
        ]
        with Kigeon(Path(name) / "kigeon", api, senders, global_={"logLevel": "info"}):
            api.put_events([make_event(BEFORE)])
            for loki in (expensive, plain):
                loki.wait_for(1)
            # Not before: a list shows what is prepared as what was.
            api.prepare_events(make_event(number) for number in range(int(rate * seconds)))
            for loki in (expensive, plain):
                loki.record()
            made = put_steadily(api.tell, rate, seconds)
            for loki in (plain, expensive):
                loki.await_all(1 + len(made))
            with_hook, without = (latencies(loki, 1, made) for loki in (expensive, plain))
            return {**told(with_hook, "with the hook"), **told(without, "without a hook")}


def main() -> None:
    """Measure in turns."""
    parser = argparse.ArgumentParser(description="what an expensive hook does to latency")
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
