import asyncio

import pytest

from kigeon.backoff import Backoff, persistently
from kigeon.errors import Fenced, QueueError


def middle(low: float, high: float) -> float:
    """No jitter."""
    return (low + high) / 2


def test_delays_double_up_to_the_cap_and_begin_anew_after_a_success() -> None:
    backoff = Backoff(base=1.0, cap=10.0, uniform=middle)
    assert [backoff.failed() for _ in range(6)] == [1, 2, 4, 8, 10, 10]
    backoff.succeeded()
    assert backoff.failed() == 1


def test_a_thousand_failures_are_waited_for_as_the_last() -> None:
    backoff = Backoff(base=1.0, cap=10.0, uniform=middle)
    assert {backoff.failed() for _ in range(2000)} <= {1, 2, 4, 8, 10}


@pytest.mark.parametrize("edge", [min, max])
def test_jitter_spreads_both_ways(edge: object) -> None:
    delay = Backoff(base=1.0, cap=10.0, jitter=0.5, uniform=lambda low, high: edge(low, high)).failed()  # type: ignore[operator]
    assert delay == (0.5 if edge is min else 1.5)


@pytest.mark.parametrize(("asked", "least", "most"), [(7.0, 7.0, 8.0), (9999.0, 300.0, 301.0), (-5.0, 0.0, 1.0)])
def test_what_the_other_side_asks_for_is_waited_for_within_reason(asked: float, least: float, most: float) -> None:
    assert least <= Backoff(base=1.0, uniform=middle).failed(asked) <= most


def test_an_action_is_repeated_until_the_queue_takes_it() -> None:
    answers = iter([QueueError("away", retry_after=0.0), QueueError("away", retry_after=0.0), None])

    async def action() -> str:
        error = next(answers)
        if error is not None:
            raise error
        return "done"

    assert asyncio.run(persistently("testing", action)) == "done"


def test_what_will_not_change_is_not_repeated() -> None:
    async def action() -> None:
        raise Fenced("another owner")

    with pytest.raises(Fenced):
        asyncio.run(persistently("testing", action))
