"""What lists cost: ``python -m tests.bench.lists [--rounds N] [--events N] [--known N] [--other PYTHON]``.

A list of many Events that nobody has seen, in many namespaces and in a single one: when the first of them is at Loki,
and the last. A list of as many that are all known (a *relist*): how long it takes until what came after it is at Loki,
and what it takes of all processes for each Event. Beside each the most memory (PSS) that the whole tree had, looked at
four times a second. kigeon runs as its user runs it; the stand-ins run in this process, on the same processors, and
work as little as they can while it is measured (:mod:`tests.bench.light`).
``--other`` is the Python of another installation of kigeon (an earlier version): it is measured in the same turns.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from threading import Event, Thread
from typing import Any, Self

from kigeon.standin.apiserver import ApiServer
from tests.bench.light import PreparedApi, RecordingLoki
from tests.bench.steady import processor, roles_of
from tests.bench.streams import wait_for_lines
from tests.support.events import make_event
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.processes import processor_seconds, proportional_memory, wait_until

NAMESPACES = 40
SPREAD = 55 * 60
"""Seconds over which the Events are spread: a cluster keeps them for an hour."""

LOOK_EVERY = 0.25

Figures = dict[str, float]
Measure = Callable[[str], Figures]


def event_of(number: int, namespaces: int) -> dict[str, Any]:
    """Return an event in one of so many *namespaces*; their times are in no order."""
    at = datetime.now(UTC) - timedelta(seconds=60 + number * 7919 % SPREAD)
    stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    event = make_event(number, f"team-{number % namespaces:04}", firstTimestamp=stamp, lastTimestamp=stamp)
    event["metadata"]["creationTimestamp"] = stamp
    return event


class Peak:
    """The most memory that a tree of processes had at once; a context manager."""

    def __init__(self, kigeon: Kigeon) -> None:
        self._kigeon = kigeon
        self._over = Event()
        self._thread = Thread(target=self._look)
        self.mebibytes = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(LOOK_EVERY):
            # A process may end between the two looks.
            with suppress(OSError):
                self.mebibytes = max(self.mebibytes, proportional_memory(self._kigeon.tree()) / 2**20)


@contextmanager
def running(python: str, api: ApiServer, loki: Loki) -> Iterator[tuple[Kigeon, Peak]]:
    """Run *python*'s kigeon."""
    with tempfile.TemporaryDirectory() as folder:
        kigeon = Kigeon(Path(folder) / "kigeon", api, [loki_sender(loki)], global_={"logLevel": "info"})
        kigeon.python = python
        with kigeon, Peak(kigeon) as peak:
            yield kigeon, peak


def listed(python: str, count: int, namespaces: int) -> Figures:
    """Measure a list of *count* new Events, from the start of kigeon on."""
    with PreparedApi() as api, RecordingLoki() as loki:
        api.put_events(event_of(number, namespaces) for number in range(count))
        api.prepare_list()
        loki.record()
        began = time.monotonic()
        with running(python, api, loki) as (kigeon, peak):
            loki.await_all(count)
            first, last = loki.pushes[0].time, loki.pushes[-1].time
            return {
                "first at Loki after, s": first - began,
                "last at Loki after, s": last - began,
                "events/s, first to last": (count - loki.pushes[0].lines) / (last - first),
                "events/s, from the start": count / (last - began),
                "processor µs/event": processor_seconds(kigeon.tree()) / count * 1e6,
                "most memory, MiB": peak.mebibytes,
                "late lines": float(sum("late" in dict(line.labels) for line in loki.held)),
            }


def relisted(python: str, count: int) -> Figures:
    """Measure a list of *count* known Events."""
    with PreparedApi() as api, RecordingLoki() as loki:
        api.put_events(event_of(number, NAMESPACES) for number in range(count))
        api.prepare_list()
        loki.record()
        with running(python, api, loki) as (kigeon, _):
            loki.await_all(count)
            api.wait_for_watches()
            roles = roles_of(kigeon)
            with Peak(kigeon) as peak:
                used, began = {pid: processor(pid) for pid in roles}, time.monotonic()
                api.store.expire_history()
                api.faults.end_watches("expire")
                wait_until(lambda: _lists(kigeon) == 2, 120.0, "a second list")
                # Whatever comes after the list is at Loki after all that it showed was looked at.
                api.put_events([make_event(count)])
                wait_for_lines(loki, count + 1)
                took = time.monotonic() - began
            spent: Figures = {}
            for pid, role in roles.items():
                spent[role] = spent.get(role, 0.0) + (processor(pid) - used[pid]) / count * 1e6
            return {
                "until what came after it, s": took,
                "processor µs/event": sum(spent.values()),
                **{f"µs/event: {role}": each for role, each in spent.items()},
                "most memory, MiB": peak.mebibytes,
            }


def _lists(kigeon: Kigeon) -> int:
    return sum(line["message"] == "listed" for line in kigeon.log())


def tell(what: str, rounds: Sequence[Figures]) -> None:
    """Print the least, the median and the most of each figure."""
    for name in rounds[0]:
        found = sorted(figures[name] for figures in rounds)
        sys.stdout.write(f"{what:34} {name:34} {found[0]:10.2f} {median(found):10.2f} {found[-1]:10.2f}\n")
    sys.stdout.flush()


def arguments() -> argparse.Namespace:
    """Return what to measure."""
    parser = argparse.ArgumentParser(description="what lists cost")
    parser.add_argument("--events", type=int, default=200_000, help="of a list; 0: none")
    parser.add_argument("--known", type=int, default=300_000, help="of a relist; 0: none")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--other", action="append", default=[], help="the Python of another installation")
    return parser.parse_args()


def main() -> None:
    """Measure in turns."""
    asked = arguments()
    kinds: dict[str, Measure] = {}
    if asked.events:
        kinds[f"list, {NAMESPACES} namespaces"] = lambda python: listed(python, asked.events, NAMESPACES)
        kinds["list, one namespace"] = lambda python: listed(python, asked.events, 1)
    if asked.known:
        kinds["relist"] = lambda python: relisted(python, asked.known)
    pythons = {"": sys.executable, **{f" (other {number})": name for number, name in enumerate(asked.other)}}
    found: dict[str, list[Figures]] = {}
    for _ in range(asked.rounds):
        for kind, measure in kinds.items():
            for name, python in pythons.items():
                found.setdefault(kind + name, []).append(measure(python))
    sys.stdout.write(f"{'':69} {'least':>10} {'median':>10} {'most':>10}\n")
    for what, rounds in found.items():
        tell(what, rounds)


if __name__ == "__main__":
    main()
