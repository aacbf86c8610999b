"""The last events, on their way to the status page."""

from typing import Any

from kigeon.events.summary import NOTHING, EventSummary
from kigeon.observability.latest import AT_ONCE, TOLD_FOR, GatheredEvents, LatestEvents, new_of, without_latest


def named(*names: str) -> list[EventSummary]:
    return [EventSummary(reason=name) for name in names]


def reasons(gathered: GatheredEvents) -> list[tuple[int, str]]:
    return [(number, event.reason) for number, event in gathered.events]


def test_an_event_is_told_for_some_seconds() -> None:
    latest = LatestEvents()
    latest.add(named("a"), 100.0)
    latest.add(named("b"), 103.0)
    assert [number for number, _ in latest.report(103.0)] == [1, 2]
    assert [number for number, _ in latest.report(101.0 + TOLD_FOR)] == [2]
    assert latest.report(200.0) == []


def test_of_many_the_last_are_told() -> None:
    latest = LatestEvents()
    latest.add(named(*map(str, range(1000))), 1.0)
    assert [event.reason for _, event in latest.report(1.0)] == [str(number) for number in range(1000 - AT_ONCE, 1000)]


def test_what_is_told_twice_is_taken_once() -> None:
    latest, gathered = LatestEvents(), GatheredEvents()
    latest.add(named("a", "b"), 1.0)
    gathered.take(7, latest.report(1.0))
    latest.add(named("c"), 2.0)
    for _ in range(2):
        gathered.take(7, latest.report(2.0))
    assert reasons(gathered) == [(1, "a"), (2, "b"), (3, "c")]


def test_numbers_go_on_when_another_process_tells() -> None:
    gathered = GatheredEvents()
    for writer in (7, 8):
        latest = LatestEvents()
        latest.add(named(f"by {writer}"), 1.0)
        gathered.take(writer, latest.report(1.0))
    assert reasons(gathered) == [(1, "by 7"), (2, "by 8")]


def test_memory_is_bounded() -> None:
    gathered = GatheredEvents()
    for number in range(1, 10 * AT_ONCE):
        gathered.take(7, [(number, NOTHING)])
    assert [number for number, _ in gathered.events] == list(range(9 * AT_ONCE, 10 * AT_ONCE))


def test_repeats_and_what_can_not_be_read_are_not_shown() -> None:
    latest = [*named("c"), NOTHING, *named("e")]
    assert new_of(latest, 5, (0, 1, 2, 3, 4)) == named("c", "e")
    assert new_of(latest, 5, (0, 4)) == named("e")
    assert new_of([], 5, (0, 4)) == []


def test_a_log_shows_none_of_them() -> None:
    told: dict[str, dict[str, Any]] = {"deduplicator": {"pid": 1, "latest": [1]}, "queue": {"pid": 2}}
    assert without_latest(told) == {"deduplicator": {"pid": 1}, "queue": {"pid": 2}}
