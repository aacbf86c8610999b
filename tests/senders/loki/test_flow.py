"""Whether a stream demands less of Loki's rate than one that Loki took."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kigeon.senders.loki.flow import CEILING, FLOOR, FLOOR_RATE, RATES, Flow, asks_for_less

SIZES = st.integers(1, 100_000)
STEPS = st.lists(st.tuples(st.floats(0, 100), SIZES), max_size=20)


class Bucket:
    """Loki's token bucket."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst, self.level, self.at = rate, burst, 0.0, 0.0

    def takes(self, size: int, now: float) -> bool:
        self.level, self.at = max(self.level - self.rate * (now - self.at), 0.0), now
        if self.level + size > self.burst:
            return False
        self.level += size
        return True


def flow_of(steps: list[tuple[float, int]], bucket: Bucket) -> tuple[Flow, float, bool]:
    """Return the flow after some pushes with pauses before them, the time, and whether a bucket took all of them."""
    flow, now, taken = Flow(), 0.0, True
    for pause, size in steps:
        now += pause
        taken = bucket.takes(size, now) and taken
        flow.add(size, now)
    return flow, now, taken


@given(STEPS, STEPS, SIZES, SIZES, st.sampled_from(RATES), st.floats(1, 1e6))
def test_where_one_is_taken_any_is_that_asks_for_less(
    proving: list[tuple[float, int]],
    asking: list[tuple[float, int]],
    size: int,
    wanted: int,
    rate: float,
    burst: float,
) -> None:
    """Whichever of the modelled rates Loki has, and whatever its burst: what it took proves what is less."""
    proven, now, took_all = flow_of([*proving, (0.0, size)], Bucket(rate, burst))
    bucket = Bucket(rate, burst)
    asked, later, took_asked = flow_of(asking, bucket)
    now = max(now, later)
    if took_all and took_asked and asks_for_less(asked.with_more(wanted, now), proven.with_more(0, now)):
        assert bucket.takes(wanted, now)


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
