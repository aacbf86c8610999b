"""The pages of a retry stream: which are in memory, and what waits in the others."""

from kigeon.senders.progress.envelope import EnvelopeProgress
from kigeon.senders.progress.retry_pages import RetryPages


def page(sequence: int, count: int) -> EnvelopeProgress:
    return EnvelopeProgress(sequence, 0, count, offsets=tuple(range(1, count + 1)))


def test_what_waits_is_what_the_position_does_not_say_has_ended() -> None:
    pages = RetryPages({3: 0b011}, 5)
    assert [pages.restore(3, 3), pages.restore(4, 2)] == [1, 2]
    assert pages.open_events == 3


def test_a_message_that_was_never_booked_is_not_taken_over() -> None:
    pages = RetryPages({}, 5)
    assert pages.restore(6, 2) is None
    assert pages.open_events == 0
    pages.booked(page(6, 2))
    assert pages.restore(6, 2) == 2


def test_bits_of_a_page_that_the_stream_does_not_hold_are_forgotten() -> None:
    pages = RetryPages({3: 1, 4: 1}, 5)
    pages.restore(4, 2)
    pages.restored()
    assert pages.bits == {4: 1}


def test_bits_are_kept_while_a_page_goes_into_memory_and_out_again() -> None:
    pages = RetryPages({3: 0b01}, 5)
    loaded = page(3, 3)
    pages.load(loaded)
    assert (loaded.ended, pages.loaded(3), pages.pages) == (0b01, loaded, [loaded])
    loaded.ended = 0b11
    assert pages.bits == {3: 0b11}
    pages.unload(loaded)
    assert (pages.loaded(3), pages.bits) == (None, {3: 0b11})


def test_a_page_that_was_loaded_anew_is_not_unloaded_by_its_predecessor() -> None:
    pages = RetryPages({}, 5)
    first, second = page(3, 3), page(3, 3)
    pages.load(first)
    pages.load(second)
    pages.unload(first)
    assert pages.loaded(3) is second


def test_of_a_page_that_was_deleted_nothing_is_left() -> None:
    pages = RetryPages({3: 0b01}, 5)
    pages.load(page(3, 3))
    pages.forget(3)
    assert (pages.loaded(3), pages.bits) == (None, {})
