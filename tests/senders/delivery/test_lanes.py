"""The lanes of a sender: one for each destination, and one for each key."""

from __future__ import annotations

from typing import Any

from kigeon.senders.delivery.lane import Item, Lane
from kigeon.senders.delivery.lanes import Lanes
from kigeon.senders.delivery.planner import COMMON, Hold, PlainPlanner, PushPlanner
from kigeon.senders.loki.entry import LokiDestination, LokiEntry
from kigeon.senders.progress.envelope import EnvelopeProgress

ONE, OTHER = LokiDestination("http://one"), LokiDestination("http://other")


class ByLine(PlainPlanner):
    """Lets entries with some lines wait on their own."""

    def __init__(self) -> None:
        self.apart: set[str] = set()
        self.left: list[str] = []

    def route(self, entry: Any) -> str:
        return entry.line if entry.line in self.apart else COMMON

    def released(self, key: str) -> None:
        self.left.append(key)


def item(line: str, destination: LokiDestination = ONE) -> Item:
    return Item(EnvelopeProgress(1, 1, 1), 0, b"", LokiEntry(destination, (), 0, line, {}, 1))


def made() -> tuple[Lanes, dict[Any, ByLine], list[Lane]]:
    planners, begun = {ONE: ByLine(), OTHER: ByLine()}, list[Lane]()

    def planner_of(destination: Any) -> PushPlanner:
        return planners[destination]

    return Lanes(planner_of, begun.append), planners, begun


def lines(lane: Lane) -> list[str]:
    return [item.entry.line for item in lane.items if item.entry is not None]


def test_each_destination_and_each_key_has_one_lane_that_is_begun_once() -> None:
    lanes, planners, begun = made()
    planners[ONE].apart = {"b"}
    lanes.enter([item("a"), item("b"), item("a", OTHER), item("a"), item("b")])
    lanes.enter([item("a")])
    assert [(lane.destination, lane.key, lines(lane)) for lane in begun] == [
        (ONE, COMMON, ["a", "a", "a"]),
        (ONE, "b", ["b", "b"]),
        (OTHER, COMMON, ["a"]),
    ]
    assert list(lanes) == begun


def test_what_belongs_elsewhere_by_now_is_moved_there() -> None:
    lanes, planners, begun = made()
    entered = [item(line) for line in "abab"]
    lanes.enter(entered)
    planners[ONE].apart = {"b"}
    assert lanes.reroute(begun[0], entered) == [entered[0], entered[2]]
    assert lines(lanes.lane(ONE, "b")) == ["b", "b"]


def test_what_is_held_takes_its_like_along_in_order() -> None:
    lanes, planners, _ = made()
    lanes.enter([item("a"), item("b"), item("a"), item("b")])
    common = lanes.lane(ONE)
    first = [common.items.popleft()]
    planners[ONE].apart = {"a"}
    held, _ = lanes.hold(common, first, Hold("a", "no room", cure="make some"))
    assert (lines(held), lines(common)) == (["a", "a"], ["b", "b"])
    (told,) = lanes.report(lambda label: 0)
    assert (told["state"], told["reason"], told["cure"], told["events"]) == ("stream", "no room", "make some", 2)


def test_a_lane_of_its_own_is_given_back_when_it_is_empty_and_the_common_one_is_not() -> None:
    lanes, planners, _ = made()
    lanes.close(lanes.lane(ONE, "a"))
    lanes.close(lanes.lane(ONE))
    assert (planners[ONE].left, list(lanes)) == (["a"], [])


def test_where_there_is_one_lane_nobody_is_held_up() -> None:
    lanes, _, _ = made()
    lane = lanes.lane(ONE)
    assert list(lanes.hanging(lane)) == []
