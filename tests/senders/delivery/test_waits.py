"""What is told of a lane that can't go on."""

from kigeon.senders.delivery.lane import Blockage, Item, Lane
from kigeon.senders.delivery.waits import waits_of
from kigeon.senders.loki.entry import LokiDestination
from kigeon.senders.progress.envelope import EnvelopeProgress


def test_a_blocked_lane_says_why_since_when_and_when_it_is_tried_next() -> None:
    now = [1000.0]
    lane = Lane(LokiDestination("http://loki:3100", "shop"), clock=lambda: now[0])
    page = EnvelopeProgress(1, 1, 3)
    items = [Item(page, index, b"{}") for index in range(3)]
    lane.add(items)
    assert list(waits_of([lane], lambda label: 0, 5000.0)) == []
    lane.refused(lane.take(), 30.0, Blockage("503 busy"))
    now[0] = 1010.0
    lane.refused([], 30.0, Blockage("401 no org id", "check basicAuth", held=True))
    now[0] = 1015.0
    (wait,) = waits_of([lane], {"http://loki:3100 tenant shop": 4}.__getitem__, 5000.0)
    assert (wait.destination, wait.events, wait.since) == ("http://loki:3100 tenant shop", 3 + 4, 4985.0)
    assert (wait.reason, wait.cure, wait.held) == ("401 no org id", "check basicAuth", True)
    assert 5000.0 < wait.next_try <= 5030.0
    shown = wait.shown()
    assert (shown["since"], shown["queue"]) == ("1970-01-01T01:23:05+00:00", "")
    lane.succeeded()
    assert list(waits_of([lane], lambda label: 0, 5000.0)) == []
    assert lane.blocked_for == 0
