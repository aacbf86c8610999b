from kigeon.backoff import Backoff
from kigeon.kube.breaker import Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def breaker(failures: int) -> tuple[Breaker, Clock]:
    clock = Clock()
    return Breaker(failures, Backoff(base=1.0, cap=8.0, jitter=0.0), clock), clock


def test_it_opens_after_failures_in_a_row_and_closes_with_an_answer() -> None:
    found, clock = breaker(2)
    found.failed()
    found.succeeded()
    found.failed()
    assert found.may_ask()
    found.failed()
    assert found.is_resting
    assert not found.may_ask()
    clock.now += 1.0
    # One question at a time tells whether it closes.
    assert found.may_ask()
    assert not found.may_ask()
    found.succeeded()
    assert found.may_ask()
    assert found.may_ask()


def test_the_pauses_grow_by_one_failure_each() -> None:
    found, clock = breaker(1)
    for pause in (1.0, 2.0, 4.0, 8.0, 8.0):
        for _ in range(32):  # asked side by side
            found.failed()
        clock.now += pause - 0.1
        assert found.is_resting
        clock.now += 0.1
        assert found.may_ask()


def test_retry_after_is_waited_for_and_slowness_opens_it_at_once() -> None:
    found, clock = breaker(3)
    found.failed(retry_after=20.0)
    clock.now += 19.0
    assert not found.may_ask()
    clock.now += 1.0
    assert found.may_ask()
    found.succeeded()
    found.failed(opens=True)
    assert not found.may_ask()
