"""What is read of the cluster, on its way into the outbox."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import orjson
import pytest

from kigeon.events.envelope import unpack
from kigeon.events.occurrence import identity_of
from kigeon.events.outbox import Batch, Outbox
from kigeon.kube.access import ClusterAccess, ClusterSource
from kigeon.kube.informer import Informer, Resource
from kigeon.kube.intake import EventIntake
from kigeon.kube.lines import WatchLine, parse_line
from kigeon.standin.apiserver import ApiServer
from tests.support.events import make_event
from tests.support.processes import wait_until


@pytest.fixture
def outbox() -> Outbox:
    outbox = Outbox()
    outbox.connect(1)
    return outbox


def line(kind: str, number: int, version: str) -> WatchLine:
    event = make_event(number)
    event["metadata"]["resourceVersion"] = version
    return parse_line(b'{"type":"%s","object":%s}' % (kind.encode(), orjson.dumps(event)))


def taken(outbox: Outbox) -> Batch:
    batch = outbox.take()
    assert batch is not None
    return batch


def test_a_list_is_resumed_from_only_when_all_of_it_was_read(outbox: Outbox) -> None:
    intake = EventIntake(outbox)
    items = [(event, orjson.dumps(event)) for event in map(make_event, range(4))]
    intake.page(items[:2], "")
    assert taken(outbox).envelope.resource_version == ""
    intake.page(items[2:], "900")
    last = taken(outbox).envelope
    assert last.resource_version == "900"
    assert unpack(last.payload) == [raw for _, raw in items[2:]]
    assert last.digests == b"".join(identity_of(event) for event, _ in items[2:])


def test_a_list_of_nothing_offers_nothing(outbox: Outbox) -> None:
    EventIntake(outbox).page([], "900")
    assert outbox.is_empty


def test_what_was_added_or_modified_goes_on_and_the_rest_is_counted(outbox: Outbox) -> None:
    intake = EventIntake(outbox)
    lines = [line("ADDED", 1, "11"), line("DELETED", 2, "12"), line("MODIFIED", 3, "13"), line("BOOKMARK", 4, "14")]
    intake.lines(lines)
    envelope = taken(outbox).envelope
    assert unpack(envelope.payload) == [lines[0].raw, lines[2].raw]
    assert envelope.resource_version == "13"
    assert (intake.received, intake.deleted) == (2, 1)


@pytest.fixture
def reading(tmp_path: Path, outbox: Outbox) -> Iterator[tuple[ApiServer, EventIntake]]:
    """An intake that is fed by a real informer."""
    with ApiServer() as api:
        access = ClusterAccess(ClusterSource(api.write_kubeconfig(tmp_path / "config")))
        intake = EventIntake(outbox)
        informer = Informer(access, Resource("/api/v1/events"), intake)
        thread = Thread(target=informer.run)
        thread.start()
        try:
            yield api, intake
        finally:
            outbox.close()
            informer.stop()
            thread.join(10)
            assert not thread.is_alive()


def test_an_event_has_the_same_digest_in_a_list_and_in_a_watch(
    reading: tuple[ApiServer, EventIntake], outbox: Outbox
) -> None:
    """Their bytes differ: an item of a list is without kind and apiVersion."""
    api, intake = reading
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
    assert intake.relists == 1


def test_what_can_not_be_read_is_counted(reading: tuple[ApiServer, EventIntake]) -> None:
    api, intake = reading
    api.wait_for_watches()
    api.faults.inject(b"rubbish")
    wait_until(lambda: intake.unreadable_count == 1)
    assert intake.received == 0
