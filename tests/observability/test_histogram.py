"""A histogram, told as plain data."""

from hypothesis import given
from hypothesis import strategies as st

from kigeon.observability.histogram import Histogram

BOUNDS = (0.1, 1.0, 10.0)


def test_a_bucket_holds_what_is_at_most_its_bound() -> None:
    histogram = Histogram(BOUNDS)
    for value in (0.05, 0.1, 0.11, 10.0, 11.0):
        histogram.observe(value)
    assert histogram.report() == {"bounds": [0.1, 1.0, 10.0], "counts": [2, 3, 4, 5], "sum": 21.26}


def test_a_clock_that_went_back_counts_as_no_time() -> None:
    histogram = Histogram(BOUNDS)
    histogram.observe(-3600.0)
    assert histogram.report() == {"bounds": [0.1, 1.0, 10.0], "counts": [1, 1, 1, 1], "sum": 0.0}


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(1, 50))))
def test_counts_never_fall_from_bucket_to_bucket(observed: list[tuple[float, int]]) -> None:
    histogram = Histogram(BOUNDS)
    for value, times in observed:
        histogram.observe(value, times)
    counts = histogram.report()["counts"]
    assert counts == sorted(counts)
    assert counts[-1] == sum(times for _, times in observed)
    assert counts[1] == sum(times for value, times in observed if value <= 1.0)


@given(st.lists(st.floats(-5, 100)))
def test_all_at_once_count_as_one_after_the_other(values: list[float]) -> None:
    together, apart = Histogram(BOUNDS), Histogram(BOUNDS)
    together.observe_all(values)
    for value in values:
        apart.observe(value)
    assert together.report() == apart.report()
