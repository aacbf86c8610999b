"""What streams cost: ``python -m tests.bench.streams [--rounds N] [--other PYTHON]``.

Backlogs of the same size in few and in many streams, and a steady flow over forty. kigeon runs as its user runs it,
the stand-ins in this process, on the same processors. Everything is measured in turns, so that what else the machine
does falls on all alike. ``--other`` is the Python of another installation of kigeon (an earlier version, in a virtual
environment of its own): it is measured in the same turns.

Events a second are counted from the first push that arrives to the last; requests are the pushes. The latency of an
event is the time from its creation in the API server to its being held, the n-th held being taken for the n-th made.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from kigeon.standin.apiserver import ApiServer
from tests.support.events import make_event
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.processes import processor_seconds

TYPES = ("Normal", "Warning")
BACKLOGS = (8, 40, 2000)
FLOW_STREAMS = 40
FLOW_RATE = 200
LEAST = 0.5
"""Of the speed in forty streams, the speed in two thousand."""

Figures = dict[str, float]
Measure = Callable[[str], Figures]


def event_of(number: int, streams: int) -> dict[str, Any]:
    """Return an event that is of one of so many *streams*, in turns."""
    stream = number % streams
    return make_event(number, f"team-{stream // len(TYPES)}", type=TYPES[stream % len(TYPES)])


@contextmanager
def running(python: str, api: ApiServer, loki: Loki) -> Iterator[Kigeon]:
    """Run *python*'s kigeon."""
    sender = loki_sender(loki)
    sender["config"]["eventLabels"] = ["namespace", "type"]
    with tempfile.TemporaryDirectory() as folder:
        kigeon = Kigeon(Path(folder) / "kigeon", api, [sender], global_={"logLevel": "info"})
        kigeon.python = python
        with kigeon:
            yield kigeon


def wait_for_lines(loki: Loki, count: int, timeout: float = 300.0) -> None:
    """Return when so many lines are held; unlike the stand-in's own, it copies none of them."""
    with loki.changed:
        if not loki.changed.wait_for(lambda: len(loki.held) >= count, timeout):
            raise TimeoutError(f"{len(loki.held)} lines are held")


def backlog(python: str, count: int, streams: int) -> Figures:
    """Measure a backlog from the first arrival to the last."""
    with ApiServer() as api, Loki() as loki:
        api.put_events(event_of(number, streams) for number in range(count))
        with running(python, api, loki) as kigeon:
            wait_for_lines(loki, count)
            first, last = loki.pushes[0], loki.pushes[-1]
            return {
                "events/s": (count - first.lines) / (last.time - first.time),
                "requests": len(loki.pushes),
                "processor µs/event": processor_seconds(kigeon.tree()) / count * 1e6,
            }


def flow(python: str, seconds: float) -> Figures:
    """Measure a steady flow, once each stream is known."""
    with ApiServer() as api, Loki() as loki, running(python, api, loki) as kigeon:
        api.put_events(event_of(number, FLOW_STREAMS) for number in range(FLOW_STREAMS))
        wait_for_lines(loki, FLOW_STREAMS)
        before, used = len(loki.pushes), processor_seconds(kigeon.tree())
        made = list(put_steadily(api, int(seconds * FLOW_RATE)))
        wait_for_lines(loki, FLOW_STREAMS + len(made))
        pushes = loki.pushes[before:]
        held = [push.time for push in pushes for _ in range(push.lines)]
        latencies = sorted(at - since for at, since in zip(held, made, strict=False))
        return {
            "requests/s": len(pushes) / seconds,
            "latency, median, ms": median(latencies) * 1e3,
            "latency, p99, ms": latencies[len(latencies) * 99 // 100] * 1e3,
            "% of a core": (processor_seconds(kigeon.tree()) - used) / seconds * 100,
        }


def put_steadily(api: ApiServer, count: int) -> Iterator[float]:
    """Put events one by one; yield when each was put."""
    began = time.monotonic()
    for number in range(count):
        time.sleep(max(began + number / FLOW_RATE - time.monotonic(), 0.0))
        yield time.monotonic()
        api.put_events([event_of(FLOW_STREAMS + number, FLOW_STREAMS)])


def tell(what: str, rounds: Sequence[Figures]) -> None:
    """Print the least, the median and the most of each figure."""
    for name in rounds[0]:
        found = sorted(figures[name] for figures in rounds)
        sys.stdout.write(f"{what:32} {name:20} {found[0]:10.1f} {median(found):10.1f} {found[-1]:10.1f}\n")


def arguments() -> argparse.Namespace:
    """Return what to measure."""
    parser = argparse.ArgumentParser(description="what streams cost")
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--flow", type=float, default=20.0, help="seconds of steady flow, 0: none")
    parser.add_argument("--other", action="append", default=[], help="the Python of another installation")
    return parser.parse_args()


def main() -> int:
    """Measure; return 1 where many streams cost more than they may."""
    asked = arguments()
    kinds: dict[str, Measure] = {
        f"backlog in {streams} streams": lambda python, streams=streams: backlog(python, asked.events, streams)  # type: ignore[misc]
        for streams in BACKLOGS
    }
    if asked.flow:
        kinds[f"flow in {FLOW_STREAMS} streams"] = lambda python: flow(python, asked.flow)
    pythons = {"": sys.executable, **{f" ({name})": name for name in asked.other}}
    found: dict[str, list[Figures]] = {}
    for _ in range(asked.rounds):
        for kind, measure in kinds.items():
            for name, python in pythons.items():
                found.setdefault(kind + name, []).append(measure(python))
    sys.stdout.write(f"{'':53} {'least':>10} {'median':>10} {'most':>10}\n")
    for what, rounds in found.items():
        tell(what, rounds)
    few, many = (found[f"backlog in {streams} streams"] for streams in BACKLOGS[1:])
    ratios = [m["events/s"] / f["events/s"] for f, m in zip(few, many, strict=True)]
    tell(f"{BACKLOGS[2]} streams / {BACKLOGS[1]} streams", [{"ratio of events/s": ratio} for ratio in ratios])
    return 0 if median(ratios) > LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
