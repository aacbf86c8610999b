"""What each piece of an event's way costs on its own: ``python -m tests.bench.pieces [--rounds N] [--other PYTHON]``.

Processor time for an event in one process, the least of many rounds: what else the machine does shows less in it than
in anything else that is measured here, and no stand-in is in it. ``--other`` is the Python of another installation of
kigeon (an earlier version), measured in the same turns. The pieces do not add up to the whole: between them lie
processes, and what they read is not as warm.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import orjson

EVENTS = 10_000
PAGE = 500
SCRIPT = "def transform(config, event):\n    return config\n"

Pieces = dict[str, float]


def least(rounds: int, piece: Callable[[], float]) -> float:
    """Return the least of what *piece* takes, in µs an event."""
    return min(piece() for _ in range(rounds)) / EVENTS * 1e6


def spent(work: Callable[[], object]) -> float:
    """Return the seconds of the processor that *work* takes in this process."""
    began = time.process_time()
    work()
    return time.process_time() - began


def pages() -> list[bytes]:
    """Return a list of Events, in namespaces of a thousand, as the API server writes its pages."""
    from tests.support.events import make_event

    found = []
    for start in range(0, EVENTS, PAGE):
        events = [make_event(number, f"team-{number // 1000}") for number in range(start, start + PAGE)]
        for number, event in enumerate(events, start):
            event["metadata"]["resourceVersion"] = str(1000 + number * 7919 % EVENTS)
        found.append(orjson.dumps({"metadata": {"resourceVersion": "9", "continue": "t"}, "items": events}))
    return found


def listing(bodies: list[bytes]) -> float:
    """Read a list, and cut batches of it."""
    from kigeon.kube.collector import EventCollector
    from kigeon.kube.outbox import Outbox

    try:
        from kigeon.kube.event_pages import parse_event_page as parse
    except ImportError:  # An earlier version.
        from kigeon.kube.lines import parse_page as parse
    outbox = Outbox()
    outbox.connect(1)
    earlier = "by_namespace" not in (EventCollector.__init__.__annotations__)
    options: dict[str, Any] = {} if earlier else {"by_namespace": True}
    collector = EventCollector(outbox, **options)

    def drain() -> None:
        while not outbox.is_empty or reader.is_alive():
            while batch := outbox.take():
                outbox.stored(batch.epoch, batch.batch_seq)
            time.sleep(0.0005)

    def read() -> None:
        for number, body in enumerate(bodies, 1):
            collector.on_list_page(parse(body).items, "9" if number == len(bodies) else "")

    reader = Thread(target=read)

    def both() -> None:
        reader.start()
        drain()
        reader.join()

    return spent(both)


def deduplicating(is_known: bool) -> float:
    """Look at batches of which all is known, or nothing."""
    from kigeon.clock import SteadyClock
    from kigeon.events.envelope import Envelope
    from kigeon.queue.dedup.digests import DigestMemory
    from kigeon.queue.dedup.index import Deduplication

    deduplication = Deduplication(DigestMemory(3600.0), SteadyClock())
    digests = os.urandom(8 * EVENTS)
    for age in (0.0, 1000.0, 2000.0):
        deduplication.remember(os.urandom(8 * 100_000), age)
    deduplication.remember(digests if is_known else b"", 2000.0)
    batches = [Envelope(b"", digests[start : start + 8 * PAGE]) for start in range(0, len(digests), 8 * PAGE)]
    return spent(lambda: [deduplication.examine(number, batch) for number, batch in enumerate(batches)])


def hooking(folder: Path, ask_worker: bool) -> float:
    """Run a hook that every event passes: what it takes of its worker, or of the sender."""
    from kigeon.config.settings import HookSettings
    from kigeon.hooks.runner import HookRunner
    from tests.bench.steady import processor
    from tests.support.events import make_event

    (folder / "pass.star").write_text(SCRIPT)
    runner = HookRunner(HookSettings(folder / "pass.star", timeout=5.0), {"url": "http://loki:3100"})
    runner.start()
    events = [make_event(number) for number in range(EVENTS)]
    before = processor(runner.pid)
    took = spent(lambda: [runner.transform(events[start : start + PAGE]) for start in range(0, EVENTS, PAGE)])
    of_worker = processor(runner.pid) - before
    runner.close()
    return of_worker if ask_worker else took


def sending() -> tuple[float, float]:
    """Prepare events, and make bodies of them."""
    from kigeon.senders.loki.body import body_of
    from kigeon.senders.loki.settings import LokiSettings
    from kigeon.senders.loki.sink import LokiSink
    from kigeon.senders.steps import Preparer
    from tests.support.events import make_event

    preparer = Preparer(LokiSink(LokiSettings("http://loki:3100")))
    raw = [orjson.dumps(make_event(number)) for number in range(EVENTS)]
    prepared: list[Any] = []
    prepare = spent(lambda: prepared.extend(preparer.prepare(raw)))
    body = spent(lambda: [body_of(prepared[start : start + 1000]) for start in range(0, EVENTS, 1000)])
    return prepare, body


def measure(rounds: int) -> Pieces:
    """Return µs an event of each piece, in this process."""
    bodies = pages()
    gc.freeze()
    # As the actors have it.
    gc.set_threshold(50_000, 20, 20)
    with tempfile.TemporaryDirectory() as folder:
        return {
            "Watcher: read a list, cut batches": least(rounds, lambda: listing(bodies)),
            "Deduplicator: all is known": least(rounds, lambda: deduplicating(is_known=True)),
            "Deduplicator: all is new": least(rounds, lambda: deduplicating(is_known=False)),
            "Sender: prepare": least(rounds, lambda: sending()[0]),
            "Sender: a body": least(rounds, lambda: sending()[1]),
            "Sender: its hook": least(rounds, lambda: hooking(Path(folder), ask_worker=False)),
            "hook's worker": least(rounds, lambda: hooking(Path(folder), ask_worker=True)),
        }


def measured_by(python: str) -> Pieces:
    """Return what a process of *python*'s kigeon measures."""
    command = [python, "-m", "tests.bench.pieces", "--once", "--rounds", "5"]
    with tempfile.TemporaryDirectory() as folder:
        # Nothing but the tests is taken from here.
        (Path(folder) / "tests").symlink_to(Path(__file__).parents[1])
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=folder)
    found: Pieces = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure in turns."""
    parser = argparse.ArgumentParser(description="what each piece costs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--once", action="store_true", help="in this process, told as JSON")
    parser.add_argument("--other", action="append", default=[], help="the Python of another installation")
    asked = parser.parse_args()
    if asked.once:
        sys.stdout.write(json.dumps(measure(asked.rounds)))
        return
    pythons = [sys.executable, *asked.other]
    rounds = [[measured_by(python) for python in pythons] for _ in range(asked.rounds)]
    for piece in rounds[0][0]:
        columns = [min(found[version][piece] for found in rounds) for version in range(len(pythons))]
        sys.stdout.write(f"{piece:40}" + "".join(f"{column:10.2f}" for column in columns) + "\n")


if __name__ == "__main__":
    main()
