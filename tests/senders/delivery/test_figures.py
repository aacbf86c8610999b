"""What pushes come to, as a sender tells it."""

import pytest

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
    figures = PushFigures()
    assert figures.timed(lambda: Answer(status)).status is status
    figures.timed(lambda: Answer(PushStatus.RETRY, answered=False))
    report = figures.report()
    assert report["pushes"] == {OUTCOMES[status]: 1, "no_answer": 1}
    assert report["pushSeconds"]["counts"][-1] == 2


def test_an_event_is_as_old_as_it_is_and_as_it_waited_here() -> None:
    figures = PushFigures(lambda: NOW)
    figures.sent([item(age=45.0, stored=0.2), item(age=7.0, stored=4.0)])
    report = figures.report()
    assert report["secondsSinceEvent"]["sum"] == pytest.approx(52.0, abs=1e-3)
    assert report["secondsSinceStored"]["sum"] == pytest.approx(4.2, abs=1e-3)


def test_what_is_sent_again_on_request_tells_nothing_of_its_age() -> None:
    figures = PushFigures(lambda: NOW)
    figures.sent([item(age=86_400.0, stored=86_400.0, is_repeat=True)])
    assert figures.report()["secondsSinceEvent"]["counts"][-1] == 0
