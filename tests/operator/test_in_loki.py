"""What Loki holds of what was sent: each loss is found, and what came too late for its stream is none."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import orjson
import pytest

from kigeon.config.settings import GlobalSettings, SenderSettings, Settings
from kigeon.errors import SenderError
from kigeon.operator.admin_socket import RequestContext
from kigeon.operator.in_loki import HOUR, InLoki, Way, look_into_loki
from kigeon.operator.spool import Spool
from kigeon.queue.broker.address import QueueAddress
from kigeon.senders.entry import PushStatus
from kigeon.senders.loki.settings import LokiSettings
from kigeon.senders.loki.sink import LokiSink
from tests.operator.test_event_status import Quiet
from tests.support.events import make_event
from tests.support.loki import Loki


def looked_up(folder: Path, loki: Loki, raw: list[bytes], asked: bytearray) -> list[InLoki | None]:
    """Return what is found of *raw* events, given page by page."""
    sender = SenderSettings("loki", "loki", settings=LokiSettings(loki.url, stream_labels={"app": "kigeon"}))
    order = RequestContext(Settings((sender,), GlobalSettings(data_dir=folder)), QueueAddress("", ""), None)
    with Spool(folder) as spool:
        for start in range(0, len(raw), 7):
            spool.add(raw[start : start + 7])
        return [InLoki.of(code) for code in asyncio.run(look_into_loki(order, sender, spool, asked, Quiet()))]


def test_each_loss_is_found_and_a_late_line_is_none(tmp_path: Path) -> None:
    """Of 30 events three are missing, four came to the stream of their hour, one is in both, one was not sent."""
    with Loki() as loki:
        settings = LokiSettings(loki.url, stream_labels={"app": "kigeon"})
        sink = LokiSink(settings)
        events = [make_event(number, namespace=f"team-{number % 3}", count=number * 30) for number in range(30)]
        entries = [sink.entry(event, None) for event in events]
        late = [entry._replace(stream=(*entry.stream, ("late", "2026-11-24T09"))) for entry in entries]
        pushed = [*entries[3:20], *late[20:24], *entries[24:29], late[5]]
        assert sink.push(entries[0].destination, pushed).status is PushStatus.DELIVERED
        sink.close()
        asked = bytearray(number != 29 for number in range(30))
        found = looked_up(tmp_path, loki, [orjson.dumps(event) for event in events], asked)
    assert found[:3] == [InLoki.MISSING] * 3
    assert (found[5], found[29]) == (InLoki.DOUBLED, None)
    assert Counter(found) == {InLoki.MISSING: 3, InLoki.ONCE: 25, InLoki.DOUBLED: 1, None: 1}


def test_a_loki_that_does_not_answer_is_said(tmp_path: Path) -> None:
    with Loki() as loki:
        pass
    with pytest.raises(SenderError):
        looked_up(tmp_path, loki, [orjson.dumps(make_event(1))], bytearray([1]))


def test_loki_is_asked_for_the_hours_alone_in_which_there_are_events() -> None:
    """One without a time (it counts as 1970) does not have half a century read."""
    way = Way({}, {0, 490_000, 490_001, 490_003})
    assert list(way.spans()) == [
        (0, HOUR - 1),
        (490_000 * HOUR, 490_002 * HOUR - 1),
        (490_003 * HOUR, 490_004 * HOUR - 1),
    ]
