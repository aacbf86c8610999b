"""The Deduplicator as an object: what it does with each message, and what it sends then."""

from dataclasses import replace
from typing import Any

import pytest

from actors import deduplicator
from actors.deduplicator import CaughtUp, Deduplicator, Forget
from actors.messages import Batch, Connect, QueueOpened, Resume, Resync, Store, Stored
from kigeon.events.checkpoint import CheckpointDelta, WatcherCheckpoint
from kigeon.events.envelope import Envelope, pack
from kigeon.events.summary import EventSummary
from kigeon.queue.log.protocol import LogEnd
from tests.support.actors import ActorHarness, MakeActor

CONNECT = Connect(1, "watcher", "deduplicator", "queue")
CHECKPOINT = WatcherCheckpoint("w", 4, repeated=2)
OPENED = QueueOpened(1, LogEnd(7, 9, "8", CHECKPOINT))
RESUME = ("watcher", Resume(1, "8", CHECKPOINT))

Made = ActorHarness[Deduplicator]


def envelope(*names: str) -> Envelope:
    """Return an envelope of events that are told apart by their *names*, of up to eight letters."""
    return pack([name.encode() for name in names], b"".join(name.encode().ljust(8) for name in names), "9")


def batch(number: int, *names: str, epoch: int = 1) -> Batch:
    return Batch(epoch, number, envelope(*names), CheckpointDelta("w", 4 + number))


@pytest.fixture
def made(make: MakeActor) -> Made:
    """One that was started."""
    made = make(Deduplicator)
    made.start()
    return made


@pytest.fixture
def opened(made: Made) -> Made:
    """One in whose epoch the way is free."""
    made.receive(CONNECT)
    made.receive(OPENED)
    assert made.handle(CaughtUp(OPENED)) == [RESUME]
    made.loop.drop()
    return made


def stores(sent: list[tuple[Any, Any]]) -> list[Store]:
    """Return what was sent, all of it to the Queue."""
    assert {to for to, _ in sent} <= {"queue"}
    return [message for _, message in sent]


def test_nothing_passes_until_the_memory_holds_all_that_the_stream_holds(made: Made) -> None:
    assert made.receive(CONNECT) == []
    assert made.receive(OPENED) == []
    assert made.receive(batch(1, "a")) == []
    assert made.handle(CaughtUp(OPENED)) == [RESUME]


def test_the_loop_is_told_once_where_the_stream_ends(made: Made) -> None:
    made.receive(CONNECT)
    made.receive(OPENED)
    made.receive(OPENED)
    assert len(made.loop.spawned) == 1


def test_a_queue_that_is_quicker_than_the_supervisor_is_heard_later(made: Made) -> None:
    assert made.receive(OPENED) == []
    assert not made.loop.spawned
    made.receive(CONNECT)
    assert len(made.loop.spawned) == 1


def test_told_again_that_the_queue_is_open_it_tells_the_watcher_again(opened: Made) -> None:
    assert opened.receive(OPENED) == [RESUME]
    assert opened.receive(QueueOpened(0, LogEnd())) == []


def test_being_connected_again_in_the_same_epoch_disturbs_nothing(opened: Made) -> None:
    opened.receive(CONNECT)
    assert len(stores(opened.receive(batch(1, "a")))) == 1


def test_another_epoch_closes_the_way(opened: Made) -> None:
    opened.receive(Connect(2, "watcher", "deduplicator", "queue"))
    assert opened.receive(batch(1, "a")) == []
    assert opened.receive(batch(1, "a", epoch=2)) == []


def test_what_was_read_for_an_earlier_epoch_does_not_open_this_one(made: Made) -> None:
    made.receive(CONNECT)
    made.receive(Connect(2, "watcher", "deduplicator", "queue"))
    assert made.handle(CaughtUp(OPENED)) == []


def test_what_is_known_is_left_out_and_counted(opened: Made) -> None:
    (first,) = stores(opened.receive(batch(1, "a", "b", "a")))
    assert first == Store(1, 1, 1, envelope("a", "b"), WatcherCheckpoint("w", 5, repeated=3))
    (second,) = stores(opened.receive(batch(2, "b")))
    assert second == Store(1, 2, 2, None, WatcherCheckpoint("w", 6, repeated=4))
    assert opened.report() == {"passed": 2, "repeated": 2, "remembered": 0, "cluster": [], "latest": []}


def test_an_event_that_is_new_is_told_once_it_is_stored(opened: Made) -> None:
    told = {name: EventSummary(reason=name) for name in ("a", "b")}
    opened.receive(replace(batch(1, "a", "b"), latest=tuple(told.values())))
    assert opened.report()["latest"] == []
    opened.receive(Stored(1, 1, 8))
    assert opened.report()["latest"] == [(1, told["a"]), (2, told["b"])]
    opened.receive(replace(batch(2, "b", "c"), latest=(EventSummary(reason="c"),)))
    opened.receive(Stored(1, 2, 9))
    assert [event.reason for _, event in opened.report()["latest"]] == ["a", "b", "c"]


def test_batches_that_overtake_one_another_are_examined_in_order(opened: Made) -> None:
    assert opened.receive(batch(2, "b")) == []
    first, second = stores(opened.receive(batch(1, "a")))
    assert (first.store_seq, first.batch_seq, first.envelope) == (1, 1, envelope("a"))
    assert (second.store_seq, second.batch_seq, second.envelope) == (2, 2, envelope("b"))


def test_what_is_stored_is_remembered_over_the_epoch(opened: Made) -> None:
    opened.receive(batch(1, "a"))
    opened.receive(batch(2, "b"))
    opened.receive(Stored(1, 1, 8))
    opened.receive(Stored(0, 2, 9))
    assert opened.report()["remembered"] == 1
    later = QueueOpened(2, LogEnd(8, 10, "9"))
    opened.receive(Connect(2, "watcher", "deduplicator", "queue"))
    opened.receive(later)
    assert opened.handle(CaughtUp(later)) == [("watcher", Resume(2, "9"))]
    (store,) = stores(opened.receive(batch(1, "a", "b", epoch=2)))
    assert (store.store_seq, store.envelope) == (1, envelope("b"))


def test_it_forgets_what_is_older_than_the_lifetime(opened: Made) -> None:
    opened.receive(batch(1, "a"))
    opened.receive(Stored(1, 1, 8))
    opened.actor._deduplication.remember(b"old".ljust(8), 1e9)
    assert opened.report()["remembered"] == 2
    assert opened.handle(Forget()) == []
    assert opened.report()["remembered"] == 1


def test_a_batch_that_was_lost_asks_for_an_epoch_once(opened: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    opened.receive(batch(2, "b"))
    opened.report()
    assert opened.take() == []
    monkeypatch.setattr(deduplicator, "LOST_AFTER", 0.0)
    opened.report()
    assert opened.take() == [("supervisor", Resync(1, "a batch from the Watcher was lost"))]
    opened.report()
    assert opened.take() == []
    assert opened.receive(batch(1, "a")) == []
