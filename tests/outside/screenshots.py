"""Pictures of the status page for the documents: ``python -m tests.outside.screenshots``.

The day that they show is made up: events that come and go with the hours, and a destination that was away at noon.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import orjson

from kigeon import __version__
from kigeon.events.summary import summaries
from kigeon.http.site import Site
from kigeon.observability.snapshot import Moment, Snapshot, write_snapshot
from kigeon.standin.story import Storyteller
from tests.http.serving import Serving
from tests.observability.snapshots import SENDER, WELL
from tests.outside.browser import DESKTOP, PHONE, Browser

DOCS = Path(__file__).parents[2] / "docs"
PICTURES = {"status-light": (DESKTOP, "light"), "status-dark": (DESKTOP, "dark"), "status-phone": (PHONE, "light")}

DAY, STEP = 86_400, 30
NOW = datetime.now(UTC).replace(hour=17, minute=42, second=5, microsecond=0).timestamp()
REFUSED_AT = 85_800.0
REFUSED = {
    "destination": "http://archive.example:3100 tenant shop", "stream": "", "state": "held", "reason": "401 no org id",
    "cure": "check basicAuth and tenantID", "since": REFUSED_AT, "next": 86_430.0,
}  # fmt: skip


class MadeUpDay:
    """The accounts of a day, step by step; ``clock`` is where it has come to."""

    def __init__(self) -> None:
        self._random = Random(7)
        self._moment = 0.0
        self._stored, self._waiting, self._refused = 1_200_000, 0, 0

    def clock(self) -> Moment:
        """Return the moment to which the day has come."""
        return Moment(NOW - DAY + self._moment, self._moment)

    def snapshots(self) -> Iterator[Snapshot]:
        """Yield what the root tells, every half a minute."""
        for self._moment in map(float, range(STEP, DAY + STEP, STEP)):
            hour = (self.clock().day / 3600) % 24
            new = int(STEP * (0.8 + 2.5 * math.exp(-((hour - 11) ** 2) / 8)) * self._random.uniform(0.5, 1.5))
            self._stored += new
            is_away = 12 <= hour < 12.8
            self._waiting = self._waiting + new if is_away else max(self._waiting - 400, 0)
            self._refused += new if self._moment > REFUSED_AT else 0
            yield self._snapshot()

    def _snapshot(self) -> Snapshot:
        watcher = {**WELL.child("watcher").report, "heardAt": self._moment - 1.0, "relistsByCause": {}, "pending": 0}
        streams = {"kigeon-events": {"messages": 9, "bytes": 88 * 2**20, "oldest": NOW - DAY}}
        received = {"received": self._stored + 40_213, "repeated": 40_213, "unreadable": 0, "stored": self._stored}
        queue = {**WELL.child("queue").report, **received, "streams": streams}
        senders = {"loki": self._sender(self._waiting), "archive": self._sender(self._refused)}
        senders["archive"]["held"] = [{**REFUSED, "events": self._refused}] if self._refused else []
        reports = {"watcher": watcher, "queue": queue, **{f"sender/{name}": sender for name, sender in senders.items()}}
        parts = {name: replace(WELL.child("queue"), report=report, restarts=0) for name, report in reports.items()}
        children = {"watcher": parts["watcher"], "deduplicator": replace(WELL.child("deduplicator")), **parts}
        more: dict[str, Any] = {"version": __version__, "queue_limit": 2**30, "started_at": NOW - DAY}
        return replace(WELL, senders=tuple(senders), children=children, **more)

    def _sender(self, waiting: int) -> dict[str, object]:
        ended = {"sent": self._stored - waiting, "filtered": 0, "skipped": 0, "parked": 0, "evicted": 0, "resent": 0}
        return {**SENDER, **ended, "number": self._stored + 1, "open": waiting, "held": []}


def main() -> None:
    """Serve the page at the end of such a day, and save how it looks."""
    made_up = MadeUpDay()
    site = Site(made_up.clock)
    snapshot = WELL
    for snapshot in made_up.snapshots():
        site.tell(write_snapshot(snapshot))
    story = Storyteller(11, datetime.fromtimestamp(NOW - 20, UTC)).tell()
    latest = summaries([orjson.dumps(event) for event in islice(story, 40)])
    site.tell(write_snapshot(replace(snapshot, latest=tuple(enumerate(latest, 1)))))
    with Serving(site.respond, site.news) as serving:
        for picture, (size, scheme) in PICTURES.items():
            with Browser(f"http://127.0.0.1:{serving.port}/", size, scheme) as browser:
                browser.wait_for("takes nothing", "#problems")
                browser.save(DOCS / f"{picture}.png")


if __name__ == "__main__":
    main()
