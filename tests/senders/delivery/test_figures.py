"""What pushes come to, as a sender tells it."""

import asyncio
from types import SimpleNamespace

import pytest

from kigeon.senders.delivery import figures
from kigeon.senders.delivery.figures import OUTCOMES, PushFigures
from kigeon.senders.delivery.lane import Item
from kigeon.senders.entry import Answer, PushStatus
from kigeon.senders.loki.entry import LokiDestination, LokiEntry
from kigeon.senders.progress.envelope import EnvelopeProgress

NOW = 1_800_000_000.0


def item(age: float, stored: float, is_repeat: bool = False) -> Item:
    """Return an event that happened, and was stored, so many seconds ago."""
    page = EnvelopeProgress(1, 1, 1, stored_at=NOW - stored, is_repeat=is_repeat)
    return Item(page, 0, b"", LokiEntry(LokiDestination("http://loki"), (), int((NOW - age) * 1e9), "", {}, 1))


@pytest.mark.parametrize("status", PushStatus)
def test_each_outcome_of_a_push_is_counted(status: PushStatus) -> None:
    made = PushFigures()
    assert made.timed(lambda: Answer(status)).status is status
    made.timed(lambda: Answer(PushStatus.RETRY, answered=False))
    report = made.report()
    assert report["pushes"] == {OUTCOMES[status]: 1, "no_answer": 1}
    assert report["pushSeconds"]["counts"][-1] == 2


class Begun:
    """A push that was begun, and whose answer takes a while."""

    is_at_hand = True

    def __init__(self, time: list[float]) -> None:
        self._time = time

    async def arrival(self) -> None:
        self._time[0] += 3.0

    def finish(self) -> Answer:
        return Answer(PushStatus.DELIVERED)


def test_a_push_that_was_begun_counts_when_it_ends_and_from_when_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    time, made = [100.0], PushFigures()
    monkeypatch.setattr(figures, "time", SimpleNamespace(monotonic=lambda: time[0]))
    push = made.timing(Begun(time))
    asyncio.run(push.arrival())
    assert made.report()["pushes"] == {}
    assert push.is_at_hand
    assert push.finish().status is PushStatus.DELIVERED
    report = made.report()
    assert (report["pushes"], report["pushSeconds"]["sum"]) == ({"delivered": 1}, 3.0)


def test_an_event_is_as_old_as_it_is_and_as_it_waited_here() -> None:
    made = PushFigures(lambda: NOW)
    made.sent([item(age=45.0, stored=0.2), item(age=7.0, stored=4.0)])
    report = made.report()
    assert report["secondsSinceEvent"]["sum"] == pytest.approx(52.0, abs=1e-3)
    assert report["secondsSinceStored"]["sum"] == pytest.approx(4.2, abs=1e-3)


def test_what_is_sent_again_on_request_tells_nothing_of_its_age() -> None:
    made = PushFigures(lambda: NOW)
    made.sent([item(age=86_400.0, stored=86_400.0, is_repeat=True)])
    assert made.report()["secondsSinceEvent"]["counts"][-1] == 0
