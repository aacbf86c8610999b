"""How cost grows, drawn: ``python -m tests.bench.growth [--folder docs] [--only KIND ...]``.

- *backlog*: 5,000 to 200,000 events of one stream that are there when kigeon starts;
- *senders*: 1 to 20 of them, to tenants of one Loki, and 10,000 events;
- *streams*: 1 to 2,000 of them, and 40,000 events;
- *digests*: 10,000 to 3 million events that the queue remembers when kigeon starts.

Of the first three it tells the processor time of all of kigeon's processes for an event, less what a start without any
takes, and the memory (PSS) of the whole tree at the end; of the last how long it takes from the start to the first
event at Loki, and the memory then. A cost that grows with the number draws a level line for an event, a straight one
for all. kigeon runs as its user runs it; the stand-ins run in this process, on the same processors. It prints the
figures, and writes ``growth-KIND.svg`` and ``growth-KIND-memory.svg``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from kigeon.standin.apiserver import ApiServer
from tests.bench.drawing import chart
from tests.bench.start import fill
from tests.support.events import make_event
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.processes import processor_seconds, proportional_memory

SETTLED = 2.0
"""Seconds after which an idle kigeon has started."""


class Point(NamedTuple):
    """What a number of something costs."""

    number: int
    cost: float
    mebibytes: float


@contextmanager
def running(api: ApiServer, loki: Loki, senders: int = 1, data: Path | None = None) -> Iterator[Kigeon]:
    """Run kigeon with so many *senders*, each to a tenant of its own; *data* is the queue that it begins with."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "kigeon"
        each = [loki_sender(loki, f"loki-{number}", tenantID=f"tenant-{number}") for number in range(senders)]
        if data is not None:
            each = [loki_sender(loki)]
            shutil.copytree(data, folder / "data")
        with Kigeon(folder, api, each, global_={"logLevel": "info"}) as kigeon:
            yield kigeon


def cost_of_events(number: int, count: int, senders: int = 1, streams: int = 1) -> Point:
    """Measure *count* events in so many *streams*; *number* is which of these the drawing is about."""
    with ApiServer() as api, Loki() as loki, running(api, loki, senders) as kigeon:
        api.wait_for_watches(timeout=30.0)
        time.sleep(SETTLED)
        idle = processor_seconds(kigeon.tree())
    with ApiServer() as api, Loki() as loki:
        api.put_events(make_event(each, f"team-{each % streams}") for each in range(count))
        with running(api, loki, senders) as kigeon:
            loki.wait_for(count * senders, timeout=300)
            tree = kigeon.tree()
            cost = (processor_seconds(tree) - idle) / count * 1e6
            return Point(number, cost, proportional_memory(tree) / 2**20)


def cost_of_digests(number: int) -> Point:
    """Measure a start with so many events in the queue, all of which are sent."""
    with ApiServer() as api, Loki() as loki, tempfile.TemporaryDirectory() as name:
        fill(Path(name) / "data", number)
        api.put_events([make_event(0)])
        began = time.monotonic()
        with running(api, loki, data=Path(name) / "data") as kigeon:
            loki.wait_for(1, timeout=120)
            return Point(number, loki.pushes[0].time - began, proportional_memory(kigeon.tree()) / 2**20)


class Kind(NamedTuple):
    """What grows: for which *numbers* it is measured, and how; ``cost`` is what its axis says."""

    numbers: Sequence[int]
    measure: Callable[[int], Point]
    label: str
    cost: str = "µs of processor an event"


KINDS = {
    "backlog": Kind((5_000, 20_000, 50_000, 100_000, 200_000), lambda n: cost_of_events(n, n), "events of a backlog"),
    "senders": Kind((1, 2, 5, 10, 20), lambda n: cost_of_events(n, 10_000, senders=n), "senders"),
    "streams": Kind((1, 10, 100, 500, 1_000, 2_000), lambda n: cost_of_events(n, 40_000, streams=n), "streams"),
    "digests": Kind(
        (10_000, 100_000, 1_000_000, 3_000_000), cost_of_digests, "events that are remembered", "s to the first event"
    ),
}


def main() -> None:
    """Measure and draw."""
    parser = argparse.ArgumentParser(description="how cost grows, drawn")
    parser.add_argument("--folder", type=Path, default=Path("docs"))
    parser.add_argument("--only", nargs="*", choices=KINDS, default=list(KINDS))
    parser.add_argument("--about", default=time.strftime("%Y-%m-%d"), help="machine, versions, date")
    asked = parser.parse_args()
    for name in asked.only:
        kind, found = KINDS[name], []
        for number in kind.numbers:
            found.append(kind.measure(number))
            sys.stdout.write(
                f"{name:8} {number:10,} {found[-1].cost:10.2f} {kind.cost:26} {found[-1].mebibytes:8.1f} MiB\n"
            )
            sys.stdout.flush()
        x_label = f"{kind.label} ({asked.about})"
        for suffix, title, y_label, points in (
            ("", f"What {kind.label} cost", kind.cost, [(each.number, each.cost) for each in found]),
            ("-memory", "Memory of all processes (PSS)", "MiB", [(each.number, each.mebibytes) for each in found]),
        ):
            path = asked.folder / f"growth-{name}{suffix}.svg"
            path.write_text(chart(title, x_label, y_label, {"all": points}))


if __name__ == "__main__":
    main()
