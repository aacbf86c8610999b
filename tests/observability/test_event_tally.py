"""The cluster's events by type, reason and namespace, in a bounded table."""

from hypothesis import given
from hypothesis import strategies as st

from kigeon.events.kind import OTHER, EventKind
from kigeon.observability import event_tally
from kigeon.observability.event_tally import EventTally


def kind(reason: str, namespace: str = "") -> EventKind:
    return EventKind("Normal", reason, namespace)


def by_reason(tally: EventTally) -> dict[str, int]:
    return {reason: count for _, reason, _, count in tally.report()}


def test_each_kind_is_counted_on_its_own() -> None:
    tally = EventTally()
    tally.add([kind("Pulled"), kind("Pulled"), EventKind("Warning", "BackOff", "shop")])
    assert sorted(tally.report()) == [("Normal", "Pulled", "", 2), ("Warning", "BackOff", "shop", 1)]


def test_a_rare_reason_is_one_of_the_others() -> None:
    tally = EventTally(most=2)
    tally.add([kind("Pulled")] * 3 + [kind("Started")] * 2)
    tally.add([kind("Rare")])
    assert by_reason(tally) == {"Pulled": 3, "Started": 2, OTHER: 1}


def test_a_reason_that_becomes_frequent_takes_the_place_of_the_rarest() -> None:
    tally = EventTally(most=2)
    tally.add([kind("Pulled")] * 3 + [kind("Started")] * 2)
    for _ in range(6):
        tally.add([kind("BackOff")])
    assert by_reason(tally) == {"Pulled": 3, "BackOff": 2, OTHER: 4}


@given(st.lists(st.integers(0, 12), max_size=200))
def test_each_event_makes_one_series_rise_by_one(numbers: list[int]) -> None:
    tally, before = EventTally(most=4), dict[str, int]()
    for number in numbers:
        tally.add([kind(str(number))])
        now = by_reason(tally)
        assert sorted(count - before.get(reason, 0) for reason, count in now.items())[-1:] == [1]
        assert sum(count != before.get(reason, 0) for reason, count in now.items()) == 1
        assert len(now) <= 5
        before = now


def test_the_table_is_bounded_whatever_is_written() -> None:
    tally = EventTally()
    for number in range(5000):
        tally.add([EventKind("Normal", f"Reason{number % 300}", f"namespace-{number}")])
    assert len(tally.report()) <= event_tally.MAX_SERIES + event_tally.MAX_REASONS
