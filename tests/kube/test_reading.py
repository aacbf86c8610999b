import pytest

from kigeon.kube.reading import HELD, LEAST, ReadingPace


class Clock:
    """A steady clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> ReadingPace:
    return ReadingPace(clock)


def test_a_quiet_watch_rests_until_a_batch_is_due(clock: Clock, pace: ReadingPace) -> None:
    clock.now += 1.0
    pace.read(1000)
    assert pace.rest(0.2) == 0.2


def test_nothing_rests_when_a_batch_is_due(clock: Clock, pace: ReadingPace) -> None:
    clock.now += 1.0
    pace.read(1000)
    assert pace.rest(0.0) == pace.rest(LEAST / 2) == 0


def test_a_busy_watch_rests_only_as_long_as_its_buffers_hold_what_comes(clock: Clock, pace: ReadingPace) -> None:
    clock.now += 1.0
    pace.read(20 * HELD)
    assert pace.rest(0.2) == pytest.approx(0.05)


def test_a_rest_that_is_not_worth_its_wake_is_none(clock: Clock, pace: ReadingPace) -> None:
    clock.now += 1.0
    pace.read(int(1.01 * HELD / LEAST))
    assert pace.rest(0.2) == 0


def test_what_was_read_without_a_rest_counts_for_the_next(clock: Clock, pace: ReadingPace) -> None:
    for _ in range(10):
        clock.now += 0.1
        pace.read(2 * HELD)
        pace.rest(0.0)
    assert pace.rest(0.2) == pytest.approx(0.05)


def test_a_burst_after_a_silence_counts_as_such_only_once_it_goes_on(clock: Clock, pace: ReadingPace) -> None:
    clock.now += 3600.0
    pace.read(HELD)
    assert pace.rest(0.2) == 0.2
    clock.now += 0.2
    pace.read(10 * HELD)
    assert pace.rest(0.2) == pytest.approx(0.02)
