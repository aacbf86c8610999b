"""One dead destination among a hook's: ``python -m tests.bench.dead_destination [EVENTS]``.

A hook sends a seventh of the events to a Loki of their own, once as one tenant's and once as 64 tenants'. The rate at
which the others arrive is measured with that Loki alive, with it refusing every push, and with it answering nothing at
all. The ratios are to the rate with as many tenants alive: kigeon reads, prepares and pushes as much there, so what is
missing is what the death of a destination costs the others. What those events and their tenants cost at all is another
figure, which is told too and judged by nobody: the ratio to the rate without them. All rates are of one run on one
machine. The exit status is 1 when one with a dead Loki is below nine tenths, or when a dead one was asked over more
connections than one origin may have.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from threading import Event, Thread

from kigeon.senders.delivery.pool import SIDE_BY_SIDE
from kigeon.standin.apiserver import ApiServer
from tests.support.events import make_event
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki

ROUNDS = 3
LEAST = 0.9

TENANTS = 64
ESTABLISHED = "01"

HOOK = """
def transform(config, event):
    if event["source"]["host"] == "node-0":
        config["url"] = "{url}"
        config["tenantID"] = "team-%d" % (int(event["involvedObject"]["uid"][4:]) % {tenants})
    return config
"""


def absent(loki: Loki) -> None:
    """Leave it as it is: it gets nothing."""


def alive(loki: Loki) -> None:
    """Leave it as it is."""


def refusing(loki: Loki) -> None:
    """Let it refuse every push."""
    loki.always = lambda tenant: 503


def hanging(loki: Loki) -> None:
    """Let it answer nothing."""
    loki.answering.clear()


def rate(count: int, harm: Callable[[Loki], None], tenants: int) -> tuple[float, int]:
    """Return how many events a second arrive at the one that is alive, and the most connections to the other."""
    events = [make_event(number) for number in range(count)]
    healthy = [event for event in events if event["source"]["host"] != "node-0"]
    with ApiServer() as api, Loki() as loki, Loki() as dead, tempfile.TemporaryDirectory() as folder:
        harm(dead)
        api.put_events(healthy if harm is absent else events)
        script = Path(folder) / "hook.star"
        script.write_text(HOOK.format(url=dead.url, tenants=tenants))
        sender = loki_sender(loki, hook={"script": str(script)})
        kigeon = Kigeon(Path(folder) / "kigeon", api, [sender], global_={"logLevel": "info"})
        with kigeon, counting(dead) as most:
            first = len(loki.wait_for(1))
            began = time.monotonic()
            loki.wait_for(len(healthy), timeout=300)
            return (len(healthy) - first) / (time.monotonic() - began), max(most)


@contextmanager
def counting(loki: Loki) -> Iterator[list[int]]:
    """Look ten times a second how many connections there are to *loki*."""
    found, ended = [0], Event()
    port = f":{int(loki.url.rpartition(':')[2]):04X}"

    def look() -> None:
        while not ended.wait(0.1):
            rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
            found.append(sum(row[2].endswith(port) and row[3] == ESTABLISHED for row in rows))

    looking = Thread(target=look)
    looking.start()
    try:
        yield found
    finally:
        ended.set()
        looking.join()


def main() -> int:
    """Measure, in turns, so that what else the machine does falls on all alike."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 60_000
    cases = [(harm, tenants) for tenants in (1, TENANTS) for harm in (absent, alive, refusing, hanging)]
    found = [[rate(count, *case) for case in cases] for _ in range(ROUNDS)]
    failed = False
    for index, (harm, tenants) in enumerate(cases):
        without, base = cases.index((absent, tenants)), cases.index((alive, tenants))
        ratio = median(row[index][0] / row[base][0] for row in found)
        connections = max(row[index][1] for row in found)
        failed |= harm in (refusing, hanging) and (ratio < LEAST or connections > SIDE_BY_SIDE)
        sys.stdout.write(
            f"{tenants:3} tenants {harm.__name__:10} {median(row[index][0] for row in found):10.0f} events/s to the "
            f"others, {ratio:.2f} of alive, {median(row[index][0] / row[without][0] for row in found):.2f} of without, "
            f"at most {connections} connections\n"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
