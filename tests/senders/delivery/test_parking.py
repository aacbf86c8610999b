"""What becomes of an event that can't be delivered, with room in the dead-letter stream and without."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kigeon.errors import QueueFull
from kigeon.senders.delivery import parking as parking_module
from kigeon.senders.delivery.lane import Item
from kigeon.senders.delivery.parking import LETTERS_CURE, SAY_FULL_EVERY, Parking
from kigeon.senders.progress.envelope import EnvelopeProgress, Position
from kigeon.senders.progress.ledger import Ledger
from kigeon.senders.progress.outcome import Outcome
from tests.support.actors import ManualTime


class Letters:
    """A dead-letter stream that has room, or has not."""

    def __init__(self) -> None:
        self.is_full = False
        self.parked: list[tuple[object, ...]] = []

    async def _put(self, *letter: object) -> None:
        if self.is_full:
            raise QueueFull("maximum bytes exceeded")
        self.parked.append(letter)

    park = park_envelope = park_retry = _put


class Case:
    """Three events of a page, and the parking of their sender."""

    def __init__(self) -> None:
        self.ledger = Ledger(Position(next_offset=1, first_offset=1))
        page = self.ledger.envelopes.admit(5, 1, 3, 0.0)
        assert page is not None
        self.page: EnvelopeProgress = page
        self.letters = Letters()
        store: Any = self.letters
        self.parking = Parking(self.ledger, store)

    def trouble(self) -> Any:
        """Return what is said to be wrong."""
        return self.parking.trouble

    def park(self, index: int, cure: str = "") -> bool:
        return asyncio.run(self.parking.park(Item(self.page, index, b"{}"), "too long", cure))


@pytest.fixture
def case() -> Case:
    return Case()


def test_an_event_that_is_parked_has_ended_and_it_is_said_why(case: Case) -> None:
    assert case.trouble() is None
    assert case.park(1)
    assert case.letters.parked == [(2, 5, b"{}", "too long")]
    assert case.ledger.counts[Outcome.PARKED] == 1
    assert list(case.page.open_indexes()) == [0, 2]
    assert (case.trouble().reason, case.trouble().cure) == ("too long", LETTERS_CURE)
    case.park(2, "shorten it")
    assert case.trouble().cure == "shorten it"


def test_without_room_it_waits_and_that_is_said_once_a_minute(
    case: Case, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = ManualTime()
    monkeypatch.setattr(parking_module, "time", time)
    case.letters.is_full = True
    assert not case.park(0)
    assert not asyncio.run(case.parking.park_page(case.page, "damaged"))
    assert not asyncio.run(case.parking.park_envelope(5, b"?", "damaged"))
    assert not asyncio.run(case.parking.park_damaged(9, b"?", "damaged"))
    assert case.ledger.counts[Outcome.PARKED] == 0
    assert case.trouble() is None
    time.now += SAY_FULL_EVERY
    assert not case.park(0)
    assert [record.getMessage() for record in caplog.records] == [
        "the dead-letter stream is full, events that have to be parked wait"
    ] * 2


def test_of_an_unreadable_page_each_event_that_is_open_gets_a_letter(case: Case) -> None:
    case.park(1)
    assert asyncio.run(case.parking.park_page(case.page, "damaged"))
    assert case.letters.parked[1:] == [(1, 5, b"{}", "damaged"), (3, 5, b"{}", "damaged")]


def test_one_that_was_sent_before_gets_no_letter(case: Case) -> None:
    case.page.is_repeat = True
    assert case.park(0)
    assert case.letters.parked == []
    assert case.trouble() is None
