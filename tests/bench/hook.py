"""What a hook costs: ``python -m tests.bench.hook [--rounds N] [--events N] [--expensive-events N] [--other PYTHON]``.

A backlog of one stream from list to Loki, in turns: without a hook; with a cheap one, which every event passes; with an
expensive one, which reckons for some 200 µs an event. Those with ``workers: 1`` and with as many workers as kigeon
takes by itself. Events a second are counted from the first push that arrives to the last. kigeon runs as its user runs
it, the stand-ins in this process, on the same processors; they work before and after (:mod:`tests.bench.light`). Then
follows what the workers of the expensive one do where nothing else runs, in batches of 500. ``--other`` is the Python
of another installation of kigeon (an earlier one), measured in the same turns where it knows the keys.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from kigeon.config.settings import HookSettings
from kigeon.hooks.pool import HookPool
from kigeon.hooks.processors import processors
from tests.bench.light import PreparedApi, RecordingLoki
from tests.bench.lists import Figures, tell
from tests.bench.steady import processor
from tests.support.events import make_event
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.processes import processor_seconds, title

CHEAP = "def transform(config, event):\n    return config\n"

EXPENSIVE = "def transform(config, event):\n    x = 0\n    for i in range({}):\n        x += i\n    return config\n"

STEPS = 22_000
"""Steps of the expensive script; how long an event of it takes is measured, and told."""

BATCH = 500
"""Events that a sender prepares at once."""

WARM = 1.0
"""Seconds in which further workers are begun."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A script ("" for none), and the hook's other keys."""

    name: str
    script: str = ""
    hook: Mapping[str, Any] = field(default_factory=dict)


def kinds(steps: int) -> list[Kind]:
    """Return what is measured."""
    expensive = EXPENSIVE.format(steps)
    return [
        Kind("without a hook"),
        Kind("cheap, 1 worker", CHEAP, {"workers": 1}),
        Kind("cheap", CHEAP),
        Kind("expensive, 1 worker", expensive, {"workers": 1}),
        Kind("expensive", expensive),
    ]


@contextmanager
def pooled(script: str, workers: int) -> Iterator[HookPool]:
    """Return a started pool of *script*; it is closed at the end."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "hook.star"
        path.write_text(script)
        pool = HookPool(HookSettings(path, timeout=1.0, workers=workers), {"url": "http://loki:3100"})
        try:
            pool.start()
            yield pool
        finally:
            pool.close()


def each_takes(script: str) -> float:
    """Return the processor seconds of its worker that a script takes for an event."""
    with pooled(script, 1) as pool:
        (pid,) = pool.pids
        before = processor(pid)
        pool.transform([make_event(number) for number in range(2000)])
        return (processor(pid) - before) / 2000


def alone(script: str, workers: int, batches: int = 40) -> Figures:
    """Measure a hook without the rest of kigeon."""
    events = [make_event(number) for number in range(BATCH)]
    with pooled(script, workers) as pool:
        until = time.monotonic() + WARM
        while time.monotonic() < until:
            pool.transform(events)
        began, own = time.monotonic(), time.process_time()
        for _ in range(batches):
            pool.transform(events)
        took, own = time.monotonic() - began, time.process_time() - own
        return {"events/s": batches * BATCH / took, "processor µs/event of its sender": own / batches / BATCH * 1e6}


def workers(kigeon: Kigeon) -> int:
    """Return how many workers a hook has."""
    return sum("worker.py" in title(pid) for pid in kigeon.tree())


def backlog(python: str, count: int, kind: Kind) -> Figures:
    """Measure a backlog from the first arrival to the last."""
    with PreparedApi() as api, RecordingLoki() as loki, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "hook.star").write_text(kind.script)
        hook: dict[str, Any] = {"hook": {"script": str(folder / "hook.star"), **kind.hook}} if kind.script else {}
        api.put_events(make_event(number) for number in range(count))
        api.prepare_list()
        loki.record()
        kigeon = Kigeon(folder / "kigeon", api, [loki_sender(loki, **hook)], global_={"logLevel": "info"})
        kigeon.python = python
        with kigeon:
            loki.await_all(count)
            first, last = loki.pushes[0], loki.pushes[-1]
            return {
                "events/s": (count - first.lines) / (last.time - first.time),
                "processor µs/event": processor_seconds(kigeon.tree()) / count * 1e6,
                "workers at the end": workers(kigeon),
            }


def arguments() -> argparse.Namespace:
    """Return what to measure."""
    parser = argparse.ArgumentParser(description="what a hook costs")
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--expensive-events", type=int, default=30_000, help="with the expensive script")
    parser.add_argument("--steps", type=int, default=STEPS, help="of the expensive script")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="kinds that begin so")
    parser.add_argument("--other", action="append", default=[], help="the Python of another installation")
    return parser.parse_args()


def measured(asked: argparse.Namespace, chosen: Sequence[Kind]) -> Iterator[tuple[str, Figures]]:
    """Yield the figures of one round, each with what they are of."""
    pythons = {"": sys.executable, **{f" (other {number})": name for number, name in enumerate(asked.other)}}
    for kind, (name, python) in product(chosen, pythons.items()):
        if not (name and kind.hook):
            count = asked.expensive_events if kind.name.startswith("expensive") else asked.events
            yield kind.name + name, backlog(python, count, kind)
    for count in range(1, processors() + 1) if not asked.only else ():
        yield f"expensive, alone, at most {count}", alone(EXPENSIVE.format(asked.steps), count)


def main() -> None:
    """Measure in turns."""
    asked = arguments()
    chosen = [kind for kind in kinds(asked.steps) if kind.name.startswith(asked.only)]
    for kind in chosen:
        if kind.script and not kind.hook:
            sys.stdout.write(f"{kind.name}: {each_takes(kind.script) * 1e6:.1f} µs an event of its worker\n")
    found: dict[str, list[Figures]] = {}
    for _ in range(asked.rounds):
        for name, figures in measured(asked, chosen):
            found.setdefault(name, []).append(figures)
    sys.stdout.write(f"{'':69} {'least':>10} {'median':>10} {'most':>10}\n")
    for what, rounds in found.items():
        tell(what, rounds)


if __name__ == "__main__":
    main()
