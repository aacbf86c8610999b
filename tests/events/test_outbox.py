from threading import Thread

from kigeon.events.envelope import unpack
from kigeon.events.outbox import MAX_BATCH_EVENTS, MAX_WAITING_EVENTS, WINDOW, Batch, Outbox, Received


def received(number: int) -> Received:
    return Received(number.to_bytes(8, "big"), str(number).encode(), str(number))


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
    assert second.number == 2
    assert second.envelope.resource_version == "3"


def test_only_so_many_batches_are_out_at_once() -> None:
    outbox = Outbox()
    outbox.connect(1)
    for number in range(WINDOW + 1):
        outbox.offer([received(number)])
        taken = outbox.take()
    assert taken is None
    outbox.stored(1, 1)
    assert texts(outbox.take()) == [str(WINDOW).encode()]


def test_a_new_epoch_sends_again_what_was_out_first_and_in_order() -> None:
    outbox = Outbox()
    outbox.connect(1)
    for number in (1, 2):
        outbox.offer([received(number)])
        outbox.take()
    outbox.offer([received(3)])
    outbox.connect(2)
    outbox.stored(1, 1)  # an answer of the epoch before: it confirms nothing
    again = [outbox.take(), outbox.take()]
    assert [texts(batch) for batch in again] == [[b"1"], [b"2"]]
    assert [(batch.epoch, batch.number) for batch in again if batch] == [(2, 1), (2, 2)]


def test_a_batch_is_bounded() -> None:
    outbox = Outbox()
    outbox.connect(1)
    outbox.offer(received(number) for number in range(MAX_BATCH_EVENTS + 1))
    assert len(texts(outbox.take())) == MAX_BATCH_EVENTS
    assert len(texts(outbox.take())) == 1


def test_the_reader_is_held_while_too_much_waits() -> None:
    outbox = Outbox()
    outbox.connect(1)
    reader = Thread(target=outbox.offer, args=([received(number) for number in range(MAX_WAITING_EVENTS)],))
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
    full = [received(number) for number in range(MAX_WAITING_EVENTS)]
    reader = Thread(target=lambda: answers.append(outbox.offer(full)))
    reader.start()
    outbox.close()
    reader.join(5)
    assert answers == [False]
    while batch := outbox.take():
        outbox.stored(1, batch.number)
    assert outbox.is_empty
