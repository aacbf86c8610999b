"""The planner for destinations whose answer speaks for the whole push."""

import pytest

from kigeon.senders.delivery.lane import Item
from kigeon.senders.delivery.planner import COMMON, PlainPlanner
from kigeon.senders.entry import Answer, PushStatus
from kigeon.senders.loki.entry import LokiDestination, LokiEntry
from kigeon.senders.progress.envelope import EnvelopeProgress

ITEMS = [
    Item(EnvelopeProgress(1, number, 1), 0, b"", LokiEntry(LokiDestination("http://a"), (), 0, "", {}, 1))
    for number in range(3)
]


def test_all_waits_in_one_queue_and_goes_in_one_push() -> None:
    planner = PlainPlanner()
    assert {planner.route(item.entry) for item in ITEMS} == {COMMON}
    assert planner.plan(ITEMS, COMMON) == ([ITEMS], [])


@pytest.mark.parametrize("status", PushStatus)
def test_all_of_it_is_sent_or_none(status: PushStatus) -> None:
    result = PlainPlanner().settle(ITEMS, Answer(status))
    assert (result.sent, result.away) == ((ITEMS, []) if status is PushStatus.DELIVERED else ([], ITEMS))
