"""The Watcher as an object: when it reads, what it hands on, when it asks for an epoch and when it ends."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from actors.messages import Batch, Connect, Resume, Resync, Stored
from actors.watcher import STORED_TIMEOUT, Watcher
from kigeon.config.settings import PusherSettings, SenderSettings
from kigeon.events.checkpoint import WatcherCheckpoint
from kigeon.events.envelope import unpack
from kigeon.kube import reading_thread
from kigeon.kube.collector import EventCollector
from kigeon.kube.contact import Counters
from kigeon.kube.lines import WatchEvent
from kigeon.kube.reading_thread import HANGS_AFTER
from kigeon.kube.resume_anchor import read_anchor
from kigeon.kube.unsettled import WINDOW
from kigeon.senders.loki.labels import named_alike
from kigeon.senders.loki.settings import LokiSettings
from tests.support.actors import SETTINGS, ActorHarness, Crashed, MakeActor, ManualTime
from tests.support.events import make_event

CONNECT = Connect(1, "watcher", "deduplicator", "queue")
RESUME = Resume(1, "8")

Made = ActorHarness[Watcher]

AT_ONCE = replace(SETTINGS, pusher=PusherSettings(batch_wait=0.0))
"""Each batch is cut as soon as there is something for it."""


class RecordingInformer:
    """Stands for the informer: keeps what it was made with."""

    made: list["RecordingInformer"]

    def __init__(
        self, access: Any, resource: Any, collector: EventCollector, resource_version: str, **options: Any
    ) -> None:
        self.collector, self.resource_version, self.anchor = collector, resource_version, options["anchor"]
        self.counters = Counters(1, 2, 3)
        self.is_watching = self.is_stopped = False
        self.beat = 0.0
        self.made.append(self)

    def run(self) -> None:
        self.is_watching = True

    def stop(self) -> None:
        self.is_stopped = True

    def report(self) -> dict[str, Any]:
        counters = self.counters
        counts = {"lists": counters.lists, "relists": counters.relists, "errors": counters.errors}
        return {"watching": self.is_watching, **counts}

    def read(self, *numbers: int) -> None:
        """Let events be read."""
        events = [make_event(number) for number in numbers]
        self.collector.on_events([WatchEvent("ADDED", event, orjson.dumps(event)) for event in events])


class SameThread:
    """Stands for the reading thread: runs at once, where it is started."""

    def __init__(self, target: Any, arguments: tuple[Any, ...], name: str) -> None:
        self.start = lambda: target(*arguments)


@pytest.fixture
def made(make: MakeActor, time: ManualTime, monkeypatch: pytest.MonkeyPatch) -> Made:
    """One that was started."""
    monkeypatch.setattr(RecordingInformer, "made", [], raising=False)
    monkeypatch.setattr(reading_thread, "time", time)
    monkeypatch.setattr(reading_thread, "Informer", RecordingInformer)
    monkeypatch.setattr(reading_thread, "ClusterAccess", lambda source: SimpleNamespace(server_time=time.time))
    monkeypatch.setattr(reading_thread, "ContextThread", SameThread)
    made = make(Watcher)
    made.start(settings=AT_ONCE)
    return made


@pytest.fixture
def reading(made: Made) -> RecordingInformer:
    """The informer of *made*, for which the way is free."""
    made.receive(CONNECT)
    assert made.receive(RESUME) == []
    (informer,) = RecordingInformer.made
    return informer


def numbers(message: Any) -> list[int]:
    """Return which events a batch holds."""
    assert isinstance(message, Batch)
    return [int(orjson.loads(raw)["metadata"]["uid"][-12:]) for raw in unpack(message.envelope.payload)]


def sent(found: list[tuple[Any, Any]]) -> list[list[int]]:
    """Return the events of each batch that was sent, all of them to the Deduplicator."""
    assert {to for to, _ in found} <= {"deduplicator"}
    return [numbers(message) for _, message in found]


def test_it_reads_as_soon_as_the_way_is_free_from_where_it_was(made: Made) -> None:
    made.receive(CONNECT)
    assert RecordingInformer.made == []
    assert made.report()["received"] == 0
    made.receive(Resume(1, "8", WatcherCheckpoint("w", 4, anchor="shop/web.1/3")))
    (informer,) = RecordingInformer.made
    assert (informer.resource_version, informer.anchor) == ("8", read_anchor("shop/web.1/3"))
    assert made.report()["watching"]


def test_a_deduplicator_that_is_quicker_than_the_supervisor_is_heard_later(made: Made) -> None:
    made.receive(RESUME)
    assert RecordingInformer.made == []
    made.receive(CONNECT)
    assert len(RecordingInformer.made) == 1


def test_told_twice_it_reads_once(made: Made, reading: RecordingInformer) -> None:
    made.receive(RESUME)
    made.receive(Resume(0, "1"))
    assert RecordingInformer.made == [reading]


def test_what_was_read_goes_to_the_deduplicator(made: Made, reading: RecordingInformer) -> None:
    reading.read(1, 2)
    assert sent(made.handle()) == [[1, 2]]
    report = made.report()
    assert (report["received"], report["pending"], report["waiting"], report["epoch"]) == (2, 2, 0, 1)
    assert (report["lists"], report["relists"], report["errors"]) == (1, 2, 3)


@pytest.mark.parametrize("by_namespace", [True, False])
def test_a_list_flows_before_it_ends_where_no_stream_holds_two_namespaces(
    make: MakeActor, made: Made, by_namespace: bool
) -> None:
    sender = SenderSettings("loki", "loki", settings=LokiSettings("http://loki", event_labels=named_alike("type")))
    if by_namespace:
        sender = replace(sender, settings=LokiSettings("http://loki"))
    listing = make(Watcher)
    listing.start(settings=replace(AT_ONCE, senders=(sender,)))
    listing.receive(CONNECT)
    listing.receive(RESUME)
    events = [make_event(1, "a"), make_event(2, "b")]
    RecordingInformer.made[-1].collector.on_list_page([(event, orjson.dumps(event)) for event in events], "")
    assert sent(listing.handle()) == ([[1]] if by_namespace else [])


def test_no_more_batches_are_out_than_the_window_holds(made: Made, reading: RecordingInformer) -> None:
    found = []
    for number in range(WINDOW + 2):
        reading.read(number)
        found += sent(made.handle())
    assert found == [[number] for number in range(WINDOW)]
    assert sent(made.receive(Stored(1, 1, 8))) == [[WINDOW, WINDOW + 1]]
    assert sent(made.receive(Stored(0, 2, 9))) == []


def test_another_epoch_sends_again_what_is_not_settled(made: Made, reading: RecordingInformer) -> None:
    reading.read(1)
    ((_, first),) = made.handle()
    reading.read(2)
    made.handle()
    made.receive(Connect(2, "watcher", "deduplicator", "queue"))
    settled = WatcherCheckpoint(first.delta.session, first.delta.batch)
    ((_, again),) = made.receive(Resume(2, "9", settled))
    assert (again.epoch, again.batch_seq, numbers(again)) == (2, 1, [2])
    assert RecordingInformer.made == [reading]


def test_a_batch_that_is_not_stored_in_time_asks_for_an_epoch(
    made: Made, reading: RecordingInformer, time: ManualTime
) -> None:
    made.report()
    time.now += 10 * STORED_TIMEOUT
    made.report()
    assert made.take() == []
    reading.read(1)
    made.handle()
    time.now += STORED_TIMEOUT
    made.report()
    assert made.take() == []
    time.now += 0.1
    made.report()
    assert made.take() == [("supervisor", Resync(1, "a batch was not stored in time"))]
    made.report()
    assert made.take() == []


def test_reading_that_hangs_ends_the_actor_unless_it_waits_for_the_queue(
    made: Made, reading: RecordingInformer, time: ManualTime
) -> None:
    reading.read(1)
    made.handle()
    time.now += HANGS_AFTER + 0.1
    made.report()
    made.receive(Stored(1, 1, 8))
    reading.beat = time.now = time.now + HANGS_AFTER
    made.report()
    time.now += HANGS_AFTER + 0.1
    with pytest.raises(Crashed, match="the reading thread hangs"):
        made.report()


def test_it_finishes_when_all_that_was_read_is_stored(made: Made, reading: RecordingInformer) -> None:
    reading.read(1)

    async def finish() -> None:
        ending = asyncio.get_running_loop().create_task(made.actor.finish(1.0))
        while not ending.done() and not (reading.is_stopped and sent(made.handle()) == [[1]]):
            await asyncio.sleep(0)
        assert not ending.done()
        made.receive(Stored(1, 1, 8))
        await ending

    asyncio.run(asyncio.wait_for(finish(), 5.0))
    assert reading.collector._outbox.offer([]) is False


def test_one_that_never_read_finishes_at_once(made: Made) -> None:
    asyncio.run(made.actor.finish(1.0))


def test_what_comes_while_the_outbox_rests_goes_when_it_is_woken(
    make: MakeActor, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    resting = make(Watcher)
    resting.start(settings=replace(SETTINGS, pusher=PusherSettings(batch_wait=3600.0)))
    resting.receive(CONNECT)
    resting.receive(RESUME)
    informer = RecordingInformer.made[-1]
    informer.read(1)
    assert sent(resting.handle()) == [[1]]
    (timer,) = resting.loop.timers
    assert timer.seconds == pytest.approx(3600.0, abs=60.0)
    informer.read(2)
    assert sent(resting.handle()) == []
    resting.actor._outbox._clock = lambda: 10_000_000.0
    timer.action()
    assert sent(resting.handle()) == [[2]]
    assert [timer.is_cancelled for timer in resting.loop.timers] == [True, False]
