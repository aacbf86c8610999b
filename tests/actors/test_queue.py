"""The Queue as an object: what it has its writer do, and whom it tells of it."""

import asyncio

import pytest

from actors import queue
from actors.messages import BrokerFailing, Connect, QueueOpened, Resync, Store, Stored
from actors.queue import Queue
from kigeon.events.checkpoint import WatcherCheckpoint
from kigeon.queue.log.protocol import Disturbed, LogEnd
from kigeon.queue.log.writer import Writer
from tests.support.actors import ActorHarness, MakeActor

CONNECT = Connect(1, "watcher", "deduplicator", "queue")

Made = ActorHarness[Queue]


class RecordingWriter(Writer):
    """Notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[int | Store] = []
        self.is_closed = False
        self.storing_since = 40.0
        self.is_open = True

    @property
    def log_end(self) -> LogEnd:
        return LogEnd(7, 9, "8", WatcherCheckpoint("w", 4, 2, 1, 50.0))

    def begin(self, epoch: int) -> None:
        self.asked.append(epoch)

    def store(self, batch: Store) -> None:
        self.asked.append(batch)

    async def close(self) -> None:
        self.is_closed = True


def store(number: int, epoch: int = 1) -> Store:
    return Store(epoch, number, number, None)


@pytest.fixture(autouse=True)
def writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the queue ask the recording writer: it names the methods by their class."""
    monkeypatch.setattr(queue, "Writer", RecordingWriter)


@pytest.fixture
def made(make: MakeActor) -> Made:
    """One that was started; its writer has not begun."""
    made = make(Queue)
    made.start()
    return made


@pytest.fixture
def writer() -> RecordingWriter:
    return RecordingWriter()


@pytest.fixture
def writing(made: Made, writer: RecordingWriter) -> Made:
    """One in its first epoch."""
    made.receive(CONNECT)
    assert made.handle(writer) == []
    asked(made, writer)
    return made


def asked(made: Made, writer: RecordingWriter) -> list[int | Store]:
    """Return what the writer was asked for since this was last asked for."""
    made.loop.run()
    found, writer.asked = writer.asked, []
    return found


def test_an_epoch_begins_for_the_writer_as_soon_as_there_is_one(made: Made, writer: RecordingWriter) -> None:
    made.receive(CONNECT)
    assert not made.loop.spawned
    made.handle(writer)
    assert asked(made, writer) == [1]


def test_a_writer_that_is_there_before_the_first_epoch_waits_for_it(made: Made, writer: RecordingWriter) -> None:
    made.handle(writer)
    assert asked(made, writer) == []
    made.receive(CONNECT)
    assert asked(made, writer) == [1]


def test_batches_are_stored_in_order_although_they_overtake_one_another(writing: Made, writer: RecordingWriter) -> None:
    writing.receive(store(2))
    assert asked(writing, writer) == []
    writing.receive(store(1))
    assert asked(writing, writer) == [store(1), store(2)]


def test_what_comes_of_another_epoch_is_dropped(writing: Made, writer: RecordingWriter) -> None:
    writing.receive(store(1, epoch=2))
    assert asked(writing, writer) == []


def test_numbers_begin_again_with_an_epoch_and_not_when_it_is_told_again(
    writing: Made, writer: RecordingWriter
) -> None:
    writing.receive(store(1))
    writing.receive(CONNECT)
    writing.receive(store(1))
    assert asked(writing, writer) == [store(1), 1]
    writing.receive(Connect(2, "watcher", "deduplicator", "queue"))
    writing.receive(store(1, epoch=2))
    assert asked(writing, writer) == [2, store(1, epoch=2)]


def test_what_is_stored_is_told_to_both_before_it(writing: Made) -> None:
    stored = Stored(1, 1, 8)
    assert writing.handle(stored) == [("watcher", stored), ("deduplicator", stored)]
    writing.handle(Stored(1, 2, 0))
    assert writing.report()["batches"] == 1


def test_the_deduplicator_is_told_where_the_stream_ends(writing: Made) -> None:
    opened = QueueOpened(1, LogEnd(7))
    assert writing.handle(opened) == [("deduplicator", opened)]


def test_what_disturbs_the_writer_asks_for_an_epoch(writing: Made) -> None:
    assert writing.handle(Disturbed("fenced")) == [("supervisor", Resync(1, "fenced"))]


def test_a_server_that_does_not_store_is_told_to_the_supervisor(writing: Made) -> None:
    writing.actor._alarm("full")
    assert writing.handle() == [("supervisor", BrokerFailing("full"))]


def test_the_report_adds_up(made: Made, writer: RecordingWriter) -> None:
    rest = {"streams": {}, "queueProblem": "it is not connected"}
    nothing = {"batches": 0, "sequence": 0, "received": 0, "stored": 0, "repeated": 0, "unreadable": 0}
    assert made.report() == {**nothing, "watchedUntil": 0.0, "open": False, "storingSince": 0.0, **rest}
    made.handle(writer)
    counts = {"batches": 0, "sequence": 7, "received": 11, "stored": 8, "repeated": 2, "unreadable": 1}
    assert made.report() == {**counts, "watchedUntil": 50.0, "open": True, "storingSince": 40.0, **rest}


def test_a_batch_that_was_lost_asks_for_an_epoch_once(
    writing: Made, writer: RecordingWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing.receive(store(2))
    writing.report()
    assert writing.take() == []
    monkeypatch.setattr(queue, "LOST_AFTER", 0.0)
    writing.report()
    assert writing.take() == [("supervisor", Resync(1, "a batch from the Deduplicator was lost"))]
    writing.report()
    assert writing.take() == []


def test_it_finishes_with_its_writer(made: Made, writer: RecordingWriter) -> None:
    asyncio.run(made.actor.finish(1.0))
    made.handle(writer)
    asyncio.run(made.actor.finish(1.0))
    assert writer.is_closed
