"""When another worker pays: where the script is expensive, and there is so much to do that one is always at work."""

import pytest

from kigeon.hooks.demand import LEAK, MOST_PRESSURE, PRESSED, Demand

BATCH = 500


def flowing(each: float, rate: float, seconds: float, most: int = 4, batch: int = BATCH) -> Demand:
    """Return the demand of a script that takes *each* seconds, after so many *seconds* of so many events a second."""
    demand = Demand(most)
    count = max(1, int(rate * seconds / batch))
    for number in range(count):
        demand.note(batch, batch * each, number * batch / rate)
    return demand


@pytest.mark.parametrize(
    ("each", "most", "workers"),
    [
        (11e-6, 4, 1),
        (24e-6, 4, 1),
        (26e-6, 4, 2),
        (60e-6, 4, 3),
        (200e-6, 4, 4),
        (200e-6, 2, 2),
        (200e-6, 1, 1),
        (200e-6, 16, 8),
        (0.1, 16, 16),
    ],
)
def test_a_backlog_is_shared_by_as_many_as_the_script_is_expensive(each: float, most: int, workers: int) -> None:
    demand = flowing(each, 0.9 / each, 2.0, most)
    assert demand.workers(BATCH) == workers


@pytest.mark.parametrize(("busy", "workers"), [(0.1, 1), (0.45, 1), (0.7, 4), (0.95, 4), (3.0, 4)])
def test_one_worker_is_enough_while_it_is_not_busy(busy: float, workers: int) -> None:
    each = 500e-6
    assert flowing(each, busy / each, 10.0, batch=40).workers(40) == workers


def test_before_anything_is_known_there_is_one() -> None:
    assert Demand(4).workers(BATCH) == 1


def test_one_burst_is_not_worth_a_start_and_a_backlog_is_after_two_batches() -> None:
    demand = Demand(4)
    demand.note(100, 100 * 200e-6, 100.0)
    assert demand.workers(BATCH) == 1
    now = 200.0
    begun = now
    while demand.workers(BATCH) == 1:
        now += BATCH * 200e-6
        demand.note(BATCH, BATCH * 200e-6, now)
    assert now - begun < 0.25


@pytest.mark.parametrize(("events", "workers"), [(0, 1), (1, 1), (10, 1), (19, 1), (20, 2), (30, 3), (500, 4)])
def test_a_small_batch_is_not_shared_by_many(events: int, workers: int) -> None:
    """Each is to get 2 ms of work."""
    assert flowing(200e-6, 4500, 2.0).workers(events) == workers


@pytest.mark.parametrize(
    ("each", "events", "workers", "parts"),
    [(200e-6, 500, 2, 8), (200e-6, 500, 4, 16), (30e-6, 500, 2, 7), (200e-6, 20, 2, 2), (200e-6, 1, 2, 2)],
)
def test_a_part_is_not_worth_less_than_it_costs_to_hand_it_out(
    each: float, events: int, workers: int, parts: int
) -> None:
    assert flowing(each, 0.9 / each, 2.0).parts(events, workers) == parts


def test_an_event_is_one_workers_however_long_it_takes() -> None:
    assert flowing(0.05, 18, 5.0, batch=3).workers(1) == 1


def test_the_pressure_goes_when_the_backlog_is_gone() -> None:
    demand = flowing(200e-6, 9000, 5.0)
    after = (MOST_PRESSURE - PRESSED) / LEAK
    demand.note(1, 200e-6, 5.0 + after - 0.2)
    assert demand.workers(BATCH) == 4
    demand.note(1, 200e-6, 5.0 + after + 0.2)
    assert demand.workers(BATCH) == 1


def test_what_events_take_is_learnt_anew_within_a_few_batches() -> None:
    demand = flowing(200e-6, 4500, 2.0)
    for number in range(5):
        demand.note(BATCH, BATCH * 11e-6, 2.0 + number * 0.02)
    assert demand.workers(BATCH) == 1


def test_of_another_script_nothing_is_known() -> None:
    demand = flowing(200e-6, 4500, 2.0)
    demand.forget()
    assert demand.workers(BATCH) == 1
    demand.note(BATCH, BATCH * 200e-6, 2.1)
    assert demand.workers(BATCH) == 4


def test_events_that_no_worker_saw_change_nothing() -> None:
    demand = flowing(200e-6, 4500, 2.0)
    demand.note(0, 0.0, 2.0)
    assert demand.workers(BATCH) == 4
