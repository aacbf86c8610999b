"""Which planner a destination has, how long it is kept, and what it is told of a predecessor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from kigeon.senders.delivery import planners
from kigeon.senders.delivery.planner import PlainPlanner
from kigeon.senders.delivery.planners import REMEMBERED_FOR, Planners
from kigeon.senders.progress.envelope import Position
from kigeon.senders.progress.ledger import Ledger
from kigeon.senders.progress.outcome import Outcome
from tests.support.actors import ManualTime


class NotedPlanner(PlainPlanner):
    """One that tells whether it took over, and says that event 7 is not proven."""

    def __init__(self) -> None:
        self.took_over = False

    def take_over(self) -> None:
        self.took_over = True

    def unproven(self) -> list[int]:
        return [7]

    def figures(self) -> Mapping[str, int]:
        return {"known": 2, "proven": int(self.took_over)}


class Sink:
    """Makes planners; nothing else is asked of it."""

    def planner(self, destination: Any) -> NotedPlanner:
        return NotedPlanner()


def planners_of(ledger: Ledger) -> Any:
    """Return planners of destinations that are plain letters here."""
    sink: Any = Sink()
    return Planners(sink, ledger)


def test_a_destination_keeps_its_planner_until_too_many_others_were_met(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planners, "MAX_PLANNERS", 2)
    ledger = Ledger(Position())
    found = planners_of(ledger)
    first, second = (found.of(place) for place in "ab")
    assert found.of("a") is first
    ledger.doubts.add([7, 8])
    found.of("c")
    assert [place for place, _ in found.all()] == ["a", "c"]
    assert list(ledger.doubts) == [8], "nobody is left who could prove it"
    assert found.of("b") is not second
    assert found.figures() == {"known": 4, "proven": 0}


def test_soon_after_a_predecessor_a_destination_may_remember_what_that_pushed(monkeypatch: pytest.MonkeyPatch) -> None:
    time = ManualTime()
    monkeypatch.setattr(planners, "time", time)
    alone, successor = (planners_of(Ledger(Position(counts={Outcome.SENT: sent}))) for sent in (0, 1))
    time.now += REMEMBERED_FOR - 1
    assert [found.of("a").took_over for found in (alone, successor)] == [False, True]
    time.now += 1
    assert not successor.of("b").took_over
