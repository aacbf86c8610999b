"""One dead destination among a hook's: ``python -m tests.bench.dead_destination [EVENTS]``.

A hook sends a seventh of the events to a Loki of their own. The rate at which the others arrive is measured with that
one alive, with it refusing every push, and with it answering nothing at all. The ratios are of one run on one machine;
the exit status is 1 when one of them is below nine tenths.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from kigeon.standin.apiserver import ApiServer
from tests.support.events import make_event
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki

ROUNDS = 3
LEAST = 0.9

HOOK = """
def transform(config, event):
    if event["source"]["host"] == "node-0":
        config["url"] = "{url}"
    return config
"""


def alive(loki: Loki) -> None:
    """Leave it as it is."""


def refusing(loki: Loki) -> None:
    """Let it refuse every push."""
    loki.always = lambda tenant: 503


def hanging(loki: Loki) -> None:
    """Let it answer nothing."""
    loki.answering.clear()


def rate(count: int, harm: Callable[[Loki], None]) -> float:
    """Return how many events a second arrive at the destination that is alive."""
    events = [make_event(number) for number in range(count)]
    others = sum(event["source"]["host"] != "node-0" for event in events)
    with ApiServer() as api, Loki() as loki, Loki() as dead, tempfile.TemporaryDirectory() as folder:
        harm(dead)
        api.put_events(events)
        script = Path(folder) / "hook.star"
        script.write_text(HOOK.format(url=dead.url))
        sender = loki_sender(loki, hook={"script": str(script)})
        with Kigeon(Path(folder) / "kigeon", api, [sender], global_={"logLevel": "info"}):
            first = len(loki.wait_for(1))
            began = time.monotonic()
            loki.wait_for(others, timeout=300)
            return (others - first) / (time.monotonic() - began)


def main() -> int:
    """Measure, in turns, so that what else the machine does falls on all alike."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 60_000
    kinds = (alive, refusing, hanging)
    rates = [[rate(count, harm) for harm in kinds] for _ in range(ROUNDS)]
    worst = 1.0
    for index, harm in enumerate(kinds):
        ratio = median(row[index] / row[0] for row in rates)
        worst = min(worst, ratio)
        figure = median(row[index] for row in rates)
        sys.stdout.write(
            f"one destination {harm.__name__:10} {figure:10.0f} events/s to the others, ratio {ratio:.2f}\n"
        )
    return 0 if worst >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
