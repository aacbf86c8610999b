"""What Loki holds of expected events, by keys: wherever their lines are, and as often as they are there."""

from __future__ import annotations

from collections import Counter

import pytest

from kigeon.errors import SenderError
from kigeon.senders.entry import PushStatus
from kigeon.senders.loki.inventory import HOUR, LokiInventory, Way
from kigeon.senders.loki.settings import LokiSettings
from kigeon.senders.loki.sink import LokiSink
from kigeon.senders.registry import TYPES
from tests.support.events import make_event
from tests.support.loki import Loki


def test_lines_are_found_in_their_streams_and_in_late_ones_and_others_have_no_key() -> None:
    with Loki() as loki:
        sink = LokiSink(LokiSettings(loki.url, stream_labels={"app": "kigeon"}))
        entries = [sink.entry(make_event(number, namespace=f"team-{number % 3}"), None) for number in range(6)]
        late = entries[4]._replace(stream=(*entries[4].stream, ("late", "2026-11-24T09")))
        others = entries[0]._replace(line="a line of somebody else", timestamp=entries[0].timestamp + 1)
        pushed = [*entries[1:4], late, entries[3]._replace(stream=late.stream), others]
        assert sink.push(entries[0].destination, pushed).status is PushStatus.DELIVERED
        sink.close()
        inventory = LokiInventory()
        keys = [inventory.expect(entry) for entry in entries]
        ((label, held),) = inventory.held()
        found = Counter(held)
    assert label == entries[0].destination.label
    assert [found.pop(key, 0) for key in keys] == [0, 1, 1, 2, 1, 0]
    assert found == {None: 1}


def test_each_destination_is_asked_on_its_own() -> None:
    """The same event at two tenants has two keys."""
    with Loki() as loki:
        settings = LokiSettings(loki.url)
        sinks = [LokiSink(settings), LokiSink(LokiSettings(loki.url, tenant_id="other"))]
        here, there = (sink.entry(make_event(1), None) for sink in sinks)
        assert sinks[1].push(there.destination, [there]).status is PushStatus.DELIVERED
        for sink in sinks:
            sink.close()
        inventory = LokiInventory()
        keys = [inventory.expect(here), inventory.expect(there)]
        held = {label: list(found) for label, found in inventory.held()}
    assert keys[0] != keys[1]
    assert held == {here.destination.label: [], there.destination.label: [keys[1]]}


def test_a_loki_that_does_not_answer_is_said() -> None:
    with Loki() as loki:
        pass
    inventory = LokiInventory()
    sink = LokiSink(LokiSettings(loki.url))
    inventory.expect(sink.entry(make_event(1), None))
    sink.close()
    ((_, held),) = inventory.held()
    with pytest.raises(SenderError):
        next(held)


def test_loki_is_asked_for_the_hours_alone_in_which_there_are_events() -> None:
    """One without a time (it counts as 1970) does not have half a century read."""
    way = Way({}, {0, 490_000, 490_001, 490_003})
    assert list(way.spans()) == [
        (0, HOUR - 1),
        (490_000 * HOUR, 490_002 * HOUR - 1),
        (490_003 * HOUR, 490_004 * HOUR - 1),
    ]


def test_an_audit_asks_loki_and_not_standard_output() -> None:
    make = TYPES["loki"].inventory
    assert make is not None
    assert isinstance(make(LokiSettings("http://loki:3100")), LokiInventory)
    assert TYPES["stdout"].inventory is None
