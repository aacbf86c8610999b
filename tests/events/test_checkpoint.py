import pytest
from hypothesis import given
from hypothesis import strategies as st

from kigeon.events.checkpoint import CheckpointDelta, WatcherCheckpoint, read_checkpoint, write_checkpoint

COUNT = st.integers(0, 2**60)
TIME = st.integers(0, 10**13).map(lambda milliseconds: milliseconds / 1000)
LIFETIME = st.integers(0, 366 * 86400).map(float)
MARKS = st.builds(
    WatcherCheckpoint,
    st.sampled_from(["", "a1b2"]),
    COUNT,
    COUNT,
    COUNT,
    TIME,
    LIFETIME,
    st.sampled_from(["", "a/b/c/7"]),
)


@given(MARKS)
def test_a_mark_read_back_is_what_was_written(mark: WatcherCheckpoint) -> None:
    assert read_checkpoint(write_checkpoint(mark)) == mark


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "a 1 2 3 4 5", "a 1 2 x 4 5 -", "a -1 2 3 4 5 -", "a 1 2 3 nan 5 -", "a 1 2 3 4 inf -"),
        *("a 1 2 3 1e300 5 -", "a 1 2 3 4 1e9 -", f"a 1 {'9' * 30} 3 4 5 -", f"a {'9' * 5000} 2 3 4 5 -"),
    ],
)
def test_what_is_no_mark_counts_nothing(text: str) -> None:
    assert read_checkpoint(text) == WatcherCheckpoint()


@given(MARKS, st.lists(st.tuples(st.integers(0, 500), st.integers(0, 5), TIME), min_size=1))
def test_batches_add_up(mark: WatcherCheckpoint, batches: list[tuple[int, int, float]]) -> None:
    after = mark
    for number, (repeated, unreadable, until) in enumerate(batches, 1):
        after = after.after(CheckpointDelta("s", number, unreadable, until), repeated)
    assert after.repeated - mark.repeated == sum(repeated for repeated, _, _ in batches)
    assert after.unreadable - mark.unreadable == sum(unreadable for _, unreadable, _ in batches)
    assert after.watched_until == max(mark.watched_until, *(until for _, _, until in batches))
    assert [after.includes("s", number) for number in (1, len(batches), len(batches) + 1)] == [True, True, False]
    assert not after.includes("t", 1)


def test_a_mark_of_nobody_includes_nothing() -> None:
    assert not WatcherCheckpoint(batch=7).includes("", 1)
