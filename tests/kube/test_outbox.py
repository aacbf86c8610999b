from threading import Thread

import orjson
import pytest

from kigeon.events.checkpoint import WatcherCheckpoint
from kigeon.events.envelope import unpack
from kigeon.kube.outbox import EARLY, Batch, Outbox
from kigeon.kube.unsettled import WINDOW
from kigeon.kube.untold import TELL_EVERY
from kigeon.kube.waiting import MAX_BATCH_BYTES, MAX_BATCH_EVENTS, MAX_WAITING_EVENTS, Received
from tests.support.events import make_event


def received(batch_seq: int) -> Received:
    return Received(batch_seq.to_bytes(8, "big"), str(batch_seq).encode(), str(batch_seq))


def texts(batch: Batch | None) -> list[bytes]:
    assert batch is not None
    return unpack(batch.envelope.payload)


def test_nothing_leaves_before_the_first_epoch() -> None:
    outbox = Outbox()
    outbox.offer([received(1)])
    assert outbox.take() is None
    outbox.connect(1)
    assert texts(outbox.take()) == [b"1"]


def test_what_arrives_meanwhile_is_the_next_batch() -> None:
    outbox = Outbox()
    outbox.connect(1)
    outbox.offer([received(1)])
    first = outbox.take()
    outbox.offer([received(2)])
    outbox.offer([received(3)])
    second = outbox.take()
    assert texts(first) == [b"1"]
    assert texts(second) == [b"2", b"3"]
    assert second is not None
    assert second.batch_seq == 2
    assert second.envelope.resource_version == "3"


def test_only_so_many_batches_are_out_at_once() -> None:
    outbox = Outbox()
    outbox.connect(1)
    for batch_seq in range(WINDOW + 1):
        outbox.offer([received(batch_seq)])
        taken = outbox.take()
    assert taken is None
    outbox.stored(1, 1)
    assert texts(outbox.take()) == [str(WINDOW).encode()]


def test_a_new_epoch_sends_again_what_was_out_first_and_in_order() -> None:
    outbox = Outbox()
    outbox.connect(1)
    for batch_seq in (1, 2):
        outbox.offer([received(batch_seq)])
        outbox.take()
    outbox.offer([received(3)])
    outbox.connect(2)
    outbox.stored(1, 1)  # an answer of the epoch before: it confirms nothing
    again = [outbox.take(), outbox.take()]
    assert [texts(batch) for batch in again] == [[b"1"], [b"2"]]
    assert [(batch.epoch, batch.batch_seq) for batch in again if batch] == [(2, 1), (2, 2)]


def test_summaries_of_its_last_events_go_with_a_batch() -> None:
    outbox = Outbox(shown=2)
    outbox.connect(1)
    events = [make_event(number) for number in range(5)]
    outbox.offer([Received(bytes(8), orjson.dumps(event)) for event in events])
    batch = outbox.take()
    assert batch is not None
    assert [event.message for event in batch.latest] == [event["message"] for event in events[-2:]]


def test_where_nobody_looks_no_summary_is_made() -> None:
    outbox = Outbox()
    outbox.connect(1)
    outbox.offer([received(1)])
    batch = outbox.take()
    assert batch is not None
    assert batch.latest == ()


def test_a_batch_is_bounded() -> None:
    outbox = Outbox()
    outbox.connect(1)
    outbox.offer(received(batch_seq) for batch_seq in range(MAX_BATCH_EVENTS + 1))
    assert len(texts(outbox.take())) == MAX_BATCH_EVENTS
    assert len(texts(outbox.take())) == 1


def test_the_reader_is_held_while_too_much_waits() -> None:
    outbox = Outbox()
    outbox.connect(1)
    reader = Thread(target=outbox.offer, args=([received(batch_seq) for batch_seq in range(MAX_WAITING_EVENTS)],))
    reader.start()
    reader.join(0.05)
    assert reader.is_alive()
    outbox.take()
    reader.join(5)
    assert not reader.is_alive()
    assert outbox.waiting == MAX_WAITING_EVENTS - MAX_BATCH_EVENTS


def test_closing_lets_the_reader_go_and_keeps_what_was_accepted() -> None:
    outbox = Outbox()
    outbox.connect(1)
    answers: list[bool] = []
    full = [received(batch_seq) for batch_seq in range(MAX_WAITING_EVENTS)]
    reader = Thread(target=lambda: answers.append(outbox.offer(full)))
    reader.start()
    outbox.close()
    reader.join(5)
    assert answers == [False]
    while batch := outbox.take():
        outbox.stored(1, batch.batch_seq)
    assert outbox.is_empty


def taken(outbox: Outbox) -> Batch:
    batch = outbox.take()
    assert batch is not None
    return batch


def test_what_is_settled_already_is_not_sent_again() -> None:
    outbox = Outbox()
    outbox.connect(1)
    outbox.offer([received(1)])
    first = taken(outbox).delta
    outbox.offer([received(2)])
    taken(outbox)
    outbox.connect(2, WatcherCheckpoint(first.session, first.batch))
    assert texts(outbox.take()) == [b"2"]
    assert outbox.take() is None


def test_another_sessions_mark_settles_nothing() -> None:
    outbox = Outbox()
    outbox.connect(1)
    outbox.offer([received(1)])
    taken(outbox)
    outbox.connect(2, WatcherCheckpoint("another", 99))
    assert texts(outbox.take()) == [b"1"]


def test_a_batch_that_is_sent_again_tells_the_same() -> None:
    outbox = Outbox()
    outbox.connect(1)
    outbox.note(unreadable=2, watched_until=5.0, lifetime=7.0)
    outbox.offer([received(1)])
    first = taken(outbox).delta
    outbox.note(unreadable=1)
    outbox.connect(2)
    assert taken(outbox).delta == first
    assert (first.unreadable, first.watched_until, first.lifetime) == (2, 5.0, 7.0)
    assert taken(outbox).delta.unreadable == 1


def test_what_could_not_be_read_is_told_without_any_event() -> None:
    outbox = Outbox()
    outbox.connect(1)
    assert outbox.take() is None
    outbox.note(unreadable=3)
    assert bool(outbox.is_empty) is False
    batch = taken(outbox)
    assert (batch.envelope.count, batch.delta.unreadable) == (0, 3)
    outbox.stored(1, batch.batch_seq)
    assert outbox.is_empty
    assert outbox.take() is None


def test_that_nothing_happened_is_told_once_in_a_while() -> None:
    outbox = Outbox()
    outbox.connect(1)
    told = []
    for until in range(1000, 1000 + int(3 * TELL_EVERY)):
        outbox.note(watched_until=float(until))
        while batch := outbox.take():
            told.append(batch.delta.watched_until)
            outbox.stored(1, batch.batch_seq)
    assert told == [1000.0, 1000.0 + TELL_EVERY, 1000.0 + 2 * TELL_EVERY]


def test_while_events_wait_the_cluster_is_not_watched_until_now() -> None:
    outbox = Outbox()
    outbox.connect(1)
    outbox.offer([received(batch_seq) for batch_seq in range(MAX_BATCH_EVENTS + 1)])
    outbox.note(watched_until=9.0)
    assert [taken(outbox).delta.watched_until for _ in range(2)] == [0.0, 9.0]


def test_what_is_pending_is_what_is_not_known_to_be_stored() -> None:
    outbox = Outbox()
    outbox.connect(1)
    outbox.offer([received(1), received(2)])
    batch_seq = taken(outbox).batch_seq
    outbox.offer([received(3)])
    assert outbox.pending == 3
    outbox.stored(1, batch_seq)
    assert outbox.pending == 1


def test_a_closed_outbox_takes_nothing() -> None:
    outbox = Outbox()
    outbox.connect(1)
    outbox.close()
    assert not outbox.offer([received(1)])
    assert outbox.is_empty


class Clock:
    """A steady clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Paced:
    """An outbox that rests for a quarter of a second, and how often it asked for something to be taken."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.asked = 0
        self.outbox = Outbox(self._ask, wait=0.25, clock=self.clock)
        self.outbox.connect(1)

    def _ask(self) -> None:
        self.asked += 1

    def store(self) -> list[bytes]:
        """Take a batch and have it stored; return what is in it."""
        batch = taken(self.outbox)
        self.outbox.stored(1, batch.batch_seq)
        return texts(batch)


def test_the_first_event_after_a_silence_goes_at_once() -> None:
    paced = Paced()
    for batch_seq in range(3):
        paced.clock.now += 5
        paced.outbox.offer([received(batch_seq)])
        assert paced.asked == batch_seq + 1
        assert paced.store() == [str(batch_seq).encode()]
        paced.clock.now += 0.25
        assert paced.outbox.take() is None


def test_after_a_batch_the_next_one_waits_and_nobody_is_asked_meanwhile() -> None:
    paced = Paced()
    paced.outbox.offer([received(1)])
    paced.store()
    assert paced.outbox.rest == pytest.approx(0.25)
    for batch_seq in range(2, 5):
        paced.clock.now += 0.0625
        paced.outbox.offer([received(batch_seq)])
        assert paced.outbox.take() is None
    assert paced.asked == 1
    assert paced.outbox.rest == pytest.approx(0.0625)
    paced.clock.now += 0.0625
    assert paced.store() == [b"2", b"3", b"4"]
    assert paced.outbox.rest == pytest.approx(0.25)


def test_what_comes_after_a_batch_that_may_be_taken_is_for_the_one_after_it() -> None:
    paced = Paced()
    assert paced.outbox.unneeded_for() == 0
    paced.outbox.offer([received(1)])
    assert paced.outbox.unneeded_for() == pytest.approx(0.25)
    paced.store()
    assert paced.outbox.unneeded_for() == pytest.approx(0.25)
    paced.clock.now += 0.0625
    paced.outbox.offer([received(2)])
    assert paced.outbox.unneeded_for() == pytest.approx(0.1875)
    paced.clock.now += 0.1875 - EARLY / 2
    assert paced.outbox.unneeded_for() == pytest.approx(0.25 + EARLY / 2)
    paced.clock.now += EARLY
    assert paced.outbox.unneeded_for() == pytest.approx(0.25)
    assert paced.store() == [b"2"]
    paced.clock.now += 0.1875
    assert paced.outbox.unneeded_for() == pytest.approx(0.0625)


def test_a_reader_that_is_a_little_early_is_waited_for_and_no_batch_comes_more_often_for_it() -> None:
    paced = Paced()
    paced.outbox.offer([received(1)])
    paced.store()
    began = paced.clock.now
    for number in range(2, 10):
        paced.clock.now += paced.outbox.rest - EARLY / 2
        paced.outbox.offer([received(number)])
        assert (paced.asked, paced.store()) == (number, [str(number).encode()])
    assert paced.clock.now - began == pytest.approx(8 * 0.25 - EARLY / 2)


def test_a_batch_that_is_full_does_not_wait() -> None:
    paced = Paced()
    paced.outbox.offer([received(1)])
    paced.store()
    paced.outbox.offer(received(batch_seq) for batch_seq in range(MAX_BATCH_EVENTS - 1))
    assert (paced.asked, paced.outbox.take()) == (1, None)
    paced.outbox.offer(received(batch_seq) for batch_seq in range(2))
    assert paced.asked == 2
    assert len(paced.store()) == MAX_BATCH_EVENTS
    assert paced.outbox.take() is None


def test_after_many_full_batches_the_outbox_rests_no_longer_than_after_one() -> None:
    paced = Paced()
    for _ in range(20):
        paced.outbox.offer(received(batch_seq) for batch_seq in range(MAX_BATCH_EVENTS))
        assert len(paced.store()) == MAX_BATCH_EVENTS
        assert paced.outbox.rest == pytest.approx(0.25)
        paced.clock.now += 0.0625


def test_a_batch_of_many_bytes_does_not_wait() -> None:
    paced = Paced()
    paced.outbox.offer([received(1)])
    paced.store()
    paced.outbox.offer([Received(bytes(8), bytes(MAX_BATCH_BYTES))])
    assert paced.asked == 2
    assert len(paced.store()) == 1


def test_after_the_rest_whoever_offers_asks() -> None:
    paced = Paced()
    paced.outbox.offer([received(1)])
    paced.store()
    paced.clock.now += 0.125
    paced.outbox.offer([received(2)])
    assert paced.asked == 1
    paced.clock.now += 0.125
    paced.outbox.offer([received(3)])
    assert (paced.asked, paced.outbox.rest) == (2, 0)
    assert paced.store() == [b"2", b"3"]


def test_while_as_much_as_may_be_is_on_its_way_nobody_is_asked() -> None:
    outbox = Outbox(lambda: asked.append(None))
    asked: list[None] = []
    outbox.connect(1)
    for batch_seq in range(WINDOW):
        outbox.offer([received(batch_seq)])
        outbox.take()
    assert len(asked) == WINDOW
    outbox.offer([received(9)])
    assert len(asked) == WINDOW
    outbox.stored(1, 1)
    assert texts(outbox.take()) == [b"9"]


def test_what_could_not_be_read_waits_for_its_turn_too() -> None:
    paced = Paced()
    paced.outbox.offer([received(1)])
    paced.store()
    paced.outbox.note(unreadable=3)
    assert paced.outbox.take() is None
    paced.clock.now += 0.25
    assert taken(paced.outbox).delta.unreadable == 3


def test_what_is_sent_again_does_not_wait() -> None:
    paced = Paced()
    paced.outbox.offer([received(1)])
    taken(paced.outbox)
    paced.outbox.connect(2)
    assert texts(paced.outbox.take()) == [b"1"]


def test_once_closed_nothing_waits() -> None:
    paced = Paced()
    paced.outbox.offer([received(1)])
    paced.store()
    paced.outbox.offer([received(2)])
    paced.outbox.close()
    assert paced.store() == [b"2"]


def due(paced: Paced) -> bool:
    return paced.outbox.is_due


def test_what_only_waits_for_its_turn_is_not_late() -> None:
    paced = Paced()
    assert not due(paced)
    paced.outbox.offer([received(1)])
    assert due(paced)
    batch = taken(paced.outbox)
    assert due(paced)
    paced.outbox.stored(1, batch.batch_seq)
    paced.outbox.offer([received(2)])
    assert not due(paced)
    paced.clock.now += 0.25
    assert due(paced)


def test_that_nothing_happened_makes_no_event_wait() -> None:
    paced = Paced()
    paced.outbox.note(watched_until=1000.0)
    quiet = taken(paced.outbox)
    assert quiet.envelope.count == 0
    paced.outbox.stored(1, quiet.batch_seq)
    paced.outbox.offer([received(1)])
    assert paced.asked == 1
    assert paced.store() == [b"1"]
