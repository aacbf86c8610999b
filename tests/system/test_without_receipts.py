"""Were the receipts switched off, an audit that asks Loki would find each loss that a 204 hides."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.support.events import make_event
from tests.support.kigeon import Kigeon, accounts, loki_sender
from tests.support.loki import Loki
from tests.support.processes import wait_until

PLUGIN = Path(__file__).parent / "without_receipts"


def spread(count: int) -> list[dict[str, Any]]:
    return [make_event(number, namespace=f"team-{number % 8}") for number in range(count)]


def with_late_ones() -> list[dict[str, Any]]:
    stamp = (datetime.now(UTC) - timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    late: dict[str, Any] = {"firstTimestamp": stamp, "lastTimestamp": stamp}
    # By name they come in between, and the last stream of a push has none.
    return [
        make_event(number, namespace=f"team-{number % 2}", **(late if number % 10 == 0 else {}))
        for number in range(200, 400)
    ]


def few_streams(loki: Loki) -> None:
    loki.limits.max_streams = 5


def slow_streams(loki: Loki) -> None:
    loki.limits.stream_rate = loki.limits.stream_burst = 10_000


@pytest.mark.parametrize(
    ("events", "limit"),
    [
        (spread(400), few_streams),
        (spread(400), slow_streams),
        (with_late_ones(), lambda loki: None),
    ],
    ids=["the stream limit", "the rate of a stream", "late lines"],
)
def test_an_audit_finds_what_a_204_hides(
    tmp_path: Path, api: ApiServer, loki: Loki, events: list[dict[str, Any]], limit: Callable[[Loki], None]
) -> None:
    kigeon = Kigeon(tmp_path, api, [loki_sender(loki)])
    kigeon.environ["PYTHONPATH"] = str(PLUGIN)
    first = [make_event(number, namespace=f"team-{number % 2}") for number in range(1000, 1010)]
    first.append(make_event(1010, namespace="zoo"))
    stalled, last = make_event(2000, namespace="zoo"), make_event(2001, namespace="zoo")
    with kigeon:
        api.wait_for_watches()
        api.put_events(first)
        wait_until(lambda: accounts(kigeon).get("sent") == len(first))
        limit(loki)
        # What comes while a push is under way is one push: its last stream is one that Loki takes.
        loki.answering.clear()
        api.put_events([stalled])
        wait_until(lambda: accounts(kigeon).get("inMemory") == 1)
        api.put_events([*events, last])
        wait_until(lambda: accounts(kigeon).get("inMemory") == len(events) + 2)
        loki.answering.set()
        wait_until(lambda: accounts(kigeon).get("sent") == len(first) + len(events) + 2)
        found = kigeon.ask("audit", "--loki", status=1)
        assert found["loki"]["loki"]["missing"] == accounts(kigeon)["sent"] - len(loki.lines) > 0
        assert found["unaccounted"] == found["loki"]["loki"]["missing"]
