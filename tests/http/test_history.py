"""Rates and the day, from the accounts that were told."""

import pytest

from kigeon.http.history import SLOT, SLOTS, UNTOLD, WINDOW, History, Note, note_of
from kigeon.observability.snapshot import Snapshot
from tests.observability.snapshots import WELL


def told(*notes: tuple[float, int]) -> History:
    """Return a history that was told at these moments how many events were stored."""
    history = History()
    for at, stored in notes:
        history.add(Note(at, stored + 1, stored, stored // 10, {"loki": stored}))
    return history


def test_the_accounts_are_noted() -> None:
    assert note_of(WELL, 5.0) == Note(5.0, 14, 10, 2, {"loki": 5})
    assert note_of(Snapshot(), 5.0) is None


def test_a_rate_is_that_of_the_last_seconds() -> None:
    rates = told(*((float(second), 10 * second) for second in range(8)), (8.0, 1000)).rates()
    assert rates.new == pytest.approx((1000 - 30) / WINDOW)
    assert rates.sent == {"loki": rates.new}


def test_where_little_is_told_it_is_that_since_the_last_word() -> None:
    assert told((0.0, 0), (10.0, 5), (20.0, 7)).rates().new == pytest.approx(0.2)


def test_without_two_words_there_is_no_rate() -> None:
    assert told().rates().new is None
    assert told((5.0, 1)).rates().new is None
    assert told((5.0, 1), (6.0 + UNTOLD, 2)).rates().new is None


def test_what_begins_anew_is_no_negative_rate() -> None:
    history = told((0.0, 500), (10.0, 3))
    assert history.rates().new == 0.0
    assert sum(slot.new for slot in history.day(10.0)) == 0


def test_the_day_has_how_many_were_new_and_how_many_waited_at_most() -> None:
    history = told((0.0, 100), (10.0, 110), (20.0, 90), (SLOT + 5.0, 0), (SLOT + 15.0, 30))
    *before, first, second = history.day(SLOT + 20.0)
    assert (first.new, first.waiting, first.seconds) == (10, 11, 20.0)
    assert (second.new, second.waiting, second.seconds) == (30, 3, 10.0)
    assert second.rate == 3.0
    assert len(before) == SLOTS - 2
    assert {slot.rate for slot in before} == {None}


def test_of_time_that_nobody_told_of_nothing_is_known() -> None:
    history = told((0.0, 0), (5 * SLOT, 1000))
    assert [slot.rate for slot in history.day(5 * SLOT)[-6:]] == [None] * 6


def test_memory_is_bounded() -> None:
    history = told(*((10.0 * step, step) for step in range(60 * SLOTS)))
    assert len(history._slots) == SLOTS
    assert sum(slot.new for slot in history.day(10.0 * 60 * SLOTS)) <= 30 * SLOTS
