"""Whether a stream demands less of Loki's rate than one that Loki took."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kigeon.senders.loki.flow import CEILING, FLOOR, FLOOR_RATE, RATES, Flow, asks_for_less

SIZES = st.integers(1, 100_000)
STEPS = st.lists(st.tuples(st.floats(0, 100), SIZES), max_size=20)


class Bucket:
    """Loki's token bucket; ``peak`` is the least burst with which it takes all."""

    def __init__(self, rate: float) -> None:
        self.rate, self.level, self.peak, self.at = rate, 0.0, 0.0, 0.0

    def take(self, size: int, now: float) -> None:
        self.level, self.at = max(self.level - self.rate * (now - self.at), 0.0) + size, now
        self.peak = max(self.peak, self.level)


def pushed(steps: list[tuple[float, int]], rate: float) -> tuple[Flow, Bucket]:
    """Return what is modelled of some pushes with pauses before them, and what Loki's bucket makes of them."""
    flow, bucket, now = Flow(), Bucket(rate), 0.0
    for pause, size in steps:
        now += pause
        bucket.take(size, now)
        flow.add(size, now)
    return flow, bucket


@given(STEPS, STEPS, SIZES, SIZES, st.sampled_from(RATES))
def test_where_one_is_taken_any_is_that_asks_for_less(
    proving: list[tuple[float, int]], asking: list[tuple[float, int]], size: int, wanted: int, rate: float
) -> None:
    """Whichever of the modelled rates Loki has, with a burst that just takes the one."""
    proven, bucket = pushed([*proving, (0.0, size)], rate)
    asked, other = pushed(asking, rate)
    now = max(bucket.at, other.at)
    assume(other.peak <= bucket.peak)
    if asks_for_less(asked.with_more(wanted, now), proven.with_more(0, now)):
        other.take(wanted, now)
        assert other.peak <= bucket.peak


def test_one_that_asks_for_less_of_most_buckets_but_not_of_all_may_be_refused() -> None:
    """A burst a while ago weighs more in a slow bucket, one of this moment in a fast one."""
    bursts, steady = Flow(), Flow()
    bursts.add(50_000, 0.0)
    steady.add(30_000, 10.0)
    assert not asks_for_less(bursts.with_more(1, 10.0), steady.with_more(0, 10.0))
    assert not asks_for_less(steady.with_more(1, 10.0), bursts.with_more(0, 10.0))


def test_a_bucket_drains_at_its_rate_and_to_nothing() -> None:
    flow = Flow()
    flow.add(30_000, 10.0)
    assert flow.with_more(0, 11.0)[FLOOR_RATE] == 30_000 - RATES[FLOOR_RATE]
    assert flow.with_more(0, 1000.0) == (0.0,) * len(RATES)


@pytest.mark.parametrize(("since", "level"), [(0.0, FLOOR), (1.0, FLOOR - RATES[FLOOR_RATE])])
def test_what_another_process_may_have_pushed_counts_up_to_the_floor(since: float, level: float) -> None:
    assert Flow(full_at=50.0).with_more(0, 50.0 + since)[FLOOR_RATE] == level


def test_beyond_the_ceiling_nothing_is_proven() -> None:
    enormous = (CEILING * 2,) * len(RATES)
    assert not asks_for_less(enormous, enormous)
