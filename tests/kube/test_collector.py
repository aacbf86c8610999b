"""What is read of the cluster, on its way into the outbox."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import orjson
import pytest

from kigeon.events.envelope import unpack
from kigeon.events.occurrence import identity_of
from kigeon.kube import ordering
from kigeon.kube.access import ClusterAccess
from kigeon.kube.collector import LONGEST_HOLD, SHORTEST_REST, EventCollector
from kigeon.kube.informer import Informer
from kigeon.kube.lines import parse_line
from kigeon.kube.outbox import Batch, Outbox
from kigeon.kube.source import ClusterSource
from kigeon.kube.watch import Resource
from kigeon.standin.apiserver import ApiServer
from tests.support.collecting import Watching, stamped, watch_line
from tests.support.events import make_event
from tests.support.processes import wait_until


@pytest.fixture
def outbox() -> Outbox:
    outbox = Outbox()
    outbox.connect(1)
    return outbox


def taken(outbox: Outbox) -> Batch:
    batch = outbox.take()
    assert batch is not None
    return batch


def stored(outbox: Outbox) -> Batch:
    batch = taken(outbox)
    outbox.stored(batch.epoch, batch.batch_seq)
    return batch


def pages_of(*events: dict[str, Any]) -> list[tuple[dict[str, Any], bytes]]:
    return [(event, orjson.dumps(event)) for event in events]


def test_a_list_is_resumed_from_only_when_all_of_it_was_read(outbox: Outbox) -> None:
    collector = EventCollector(outbox)
    items = pages_of(*map(make_event, range(4)))
    collector.on_list_page(items[:2], "")
    collector.release()
    assert taken(outbox).envelope.resource_version == ""
    collector.on_list_page(items[2:], "900")
    last = taken(outbox).envelope
    assert last.resource_version == "900"
    assert unpack(last.payload) == [raw for _, raw in items[2:]]
    assert last.digests == b"".join(identity_of(event) for event, _ in items[2:])


def test_a_list_is_handed_on_oldest_first(outbox: Outbox) -> None:
    """Loki takes nothing that lies far behind what its stream has, and a list comes by name."""
    collector = EventCollector(outbox)
    ages = [600.0, 10_000.0, 5.0, 7000.0, 3600.0, 9000.0]
    events = [stamped(batch_seq, 1_000_000_000.0 - age) for batch_seq, age in enumerate(ages)]
    collector.on_list_page(pages_of(*events[:3]), "")
    collector.on_list_page(pages_of(*events[3:]), "")
    assert (outbox.waiting, collector.received) == (0, 0)
    collector.on_list_page([], "900")
    envelope = taken(outbox).envelope
    oldest_first = [event for _, event in sorted(zip(ages, events, strict=True), key=lambda pair: -pair[0])]
    assert unpack(envelope.payload) == [orjson.dumps(event) for event in oldest_first]
    assert envelope.resource_version == "900"
    assert collector.received == len(ages)


@pytest.mark.parametrize("by_namespace", [True, False])
def test_of_a_list_whole_namespaces_go_on_where_no_stream_holds_two_of_them(by_namespace: bool) -> None:
    outbox = Outbox()
    outbox.connect(1)
    collector = EventCollector(outbox, by_namespace=by_namespace)
    listed = [make_event(number, namespace) for number, namespace in enumerate(["a", "a", "b", "b"])]
    collector.on_list_page(pages_of(*listed[:3]), "")
    watched = [make_event(number, namespace) for number, namespace in enumerate(["a", "b", "c"], 10)]
    collector.on_early_events([parse_line(b'{"type":"ADDED","object":%s}' % orjson.dumps(event)) for event in watched])
    assert collector.received == (3 if by_namespace else 0)
    collector.on_list_page(pages_of(*listed[3:]), "900")
    batches = list(iter(outbox.take, None))
    events = [orjson.loads(raw) for batch in batches for raw in unpack(batch.envelope.payload)]
    assert {event["metadata"]["uid"] for event in events} == {event["metadata"]["uid"] for event in listed + watched}
    assert [batch.envelope.resource_version for batch in batches] == [""] * (len(batches) - 1) + ["900"]
    if by_namespace:
        assert [event["metadata"]["namespace"] for event in events] == ["a", "a", "a", "b", "b", "b", "c"]
        collector.on_list_page(pages_of(*listed[:3]), "")
        assert outbox.waiting == 2, "what the first list has shown of a namespace says nothing of the next list"
        collector.on_early_events([parse_line(b'{"type":"ADDED","object":%s}' % orjson.dumps(make_event(20, "b")))])
        assert outbox.waiting == 2


def test_of_a_list_too_long_to_be_held_what_there_is_goes_on(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordering, "MAX_HELD_BYTES", 1000)
    collector = EventCollector(outbox)
    collector.on_list_page(pages_of(*map(make_event, range(5))), "")
    assert taken(outbox).envelope.count == 5


def test_of_a_list_that_does_not_end_what_there_is_goes_on() -> None:
    """In the middle of it the API server fails, and stays away."""
    watching = Watching()
    for _ in range(2):
        watching.now += 2 * LONGEST_HOLD
        watching.collector.on_list_page(pages_of(make_event(1)), "")
    watching.now += LONGEST_HOLD - 10.0
    watching.collector.on_backoff(10.0)
    assert watching.outbox.waiting == 0
    watching.collector.on_backoff(11.0)
    assert watching.outbox.waiting == 2


def test_a_list_that_was_not_taken_whole_tells_nothing_of_the_time() -> None:
    watching = Watching(watched_until=999_999_000.0)
    watching.collector.on_list_page(pages_of(make_event(1)), "")
    watching.collector.release()
    watching.outbox.close()
    watching.collector.on_list_page(pages_of(make_event(2)), "7")
    watching.collector.on_events([watch_line("ADDED", 3, "8")])
    assert watching.delta().watched_until == 0.0
    assert watching.outbox.take() is None


def test_of_a_list_that_begins_anew_what_there_is_goes_on(outbox: Outbox) -> None:
    """Its continuation expired: what it showed may be gone by now."""
    collector = EventCollector(outbox)
    collector.on_list_page(pages_of(make_event(1)), "")
    collector.on_relist("expired", "")
    assert outbox.waiting == 1


@pytest.mark.parametrize("doubted", ["800", ""])
def test_a_list_that_was_made_for_a_doubt_alone_does_not_forget_where_the_watch_was(doubted: str) -> None:
    """The watch would go on from there when the list is complete, and so it does when the list never is."""
    outbox = Outbox()
    outbox.connect(1)
    collector = EventCollector(outbox, by_namespace=True)
    collector.on_relist("the object that was seen last is gone", doubted)
    for namespace in ("a", "b"):
        collector.on_list_page(pages_of(make_event(1, namespace), make_event(2, namespace)), "")
    flowing = stored(outbox)
    collector.release()
    released = stored(outbox)
    assert [batch.envelope.resource_version for batch in (flowing, released)] == [doubted, doubted]
    assert [batch.delta.anchor for batch in (flowing, released)] == ["", ""]
    collector.on_list_page(pages_of(make_event(1, "c")), "900")
    assert stored(outbox).envelope.resource_version == "900"
    collector.on_list_page(pages_of(make_event(1, "a"), make_event(2, "b")), "")
    assert stored(outbox).envelope.resource_version == "", "another list has a doubt of its own, or none"


def test_a_list_of_nothing_offers_nothing(outbox: Outbox) -> None:
    EventCollector(outbox).on_list_page([], "900")
    assert outbox.is_empty


def test_what_was_added_or_modified_goes_on_and_the_rest_is_counted(outbox: Outbox) -> None:
    collector = EventCollector(outbox)
    lines = [
        watch_line("ADDED", 1, "11"),
        watch_line("DELETED", 2, "12"),
        watch_line("MODIFIED", 3, "13"),
        watch_line("BOOKMARK", 4, "14"),
    ]
    collector.on_events(lines)
    envelope = taken(outbox).envelope
    assert unpack(envelope.payload) == [lines[0].raw, lines[2].raw]
    assert envelope.resource_version == "13"
    assert (collector.received, collector.deleted) == (2, 1)


@pytest.fixture
def reading(tmp_path: Path, outbox: Outbox) -> Iterator[tuple[ApiServer, EventCollector]]:
    """An collector that is fed by a real informer."""
    with ApiServer() as api:
        access = ClusterAccess(ClusterSource(api.write_kubeconfig(tmp_path / "config")))
        collector = EventCollector(outbox)
        informer = Informer(access, Resource("/api/v1/events"), collector)
        thread = Thread(target=informer.run)
        thread.start()
        try:
            yield api, collector
        finally:
            outbox.close()
            informer.stop()
            thread.join(10)
            assert not thread.is_alive()


def test_an_event_has_the_same_digest_in_a_list_and_in_a_watch(
    reading: tuple[ApiServer, EventCollector], outbox: Outbox
) -> None:
    """Their bytes differ: an item of a list is without kind and apiVersion."""
    api, collector = reading
    api.wait_for_watches()
    api.put_events([make_event(1)])
    wait_until(lambda: outbox.waiting)
    watched = taken(outbox).envelope
    api.store.expire_history()
    api.faults.end_watches("expire")
    wait_until(lambda: outbox.waiting)
    listed = taken(outbox).envelope
    assert unpack(watched.payload) != unpack(listed.payload)
    assert watched.digests == listed.digests
    assert collector.relists == 1


def test_what_can_not_be_read_is_counted(reading: tuple[ApiServer, EventCollector]) -> None:
    api, collector = reading
    api.wait_for_watches()
    api.faults.inject(b"rubbish")
    wait_until(lambda: collector.unreadable_count == 1)
    assert collector.received == 0


def test_what_can_not_be_read_is_told() -> None:
    watching = Watching()
    watching.collector.on_unreadable(3)
    assert watching.delta().unreadable == 3


@pytest.mark.parametrize(("since", "rest"), [(0.0, 0.25), (0.1, 0.15), (0.25 - SHORTEST_REST / 2, 0.0), (0.25, 0.0)])
def test_the_reading_rests_until_a_batch_is_due(since: float, rest: float) -> None:
    now = [100.0]
    outbox = Outbox(wait=0.25, clock=lambda: now[0])
    outbox.connect(1)
    collector = EventCollector(outbox)
    collector.on_events([watch_line("ADDED", 1, "7")])
    stored(outbox)
    now[0] += since
    assert collector.rest() == pytest.approx(rest)
