"""What deduplication takes for known."""

from hypothesis import given
from hypothesis import strategies as st

from kigeon.clock import SteadyClock
from kigeon.events.envelope import pack
from kigeon.queue.dedup.digests import DigestMemory
from kigeon.queue.dedup.index import Deduplication
from tests.support.writing import envelope


@given(st.lists(st.tuples(st.sampled_from(["examine", "stored", "restart"]), st.sets(st.integers(1, 12), min_size=1))))
def test_deduplication_is_a_set_of_what_is_stored_and_one_of_what_is_on_its_way(
    steps: list[tuple[str, set[int]]],
) -> None:
    deduplication = Deduplication(DigestMemory(100.0), SteadyClock())
    kept: set[int] = set()
    passing: dict[int, set[int]] = {}
    for number, (step, values) in enumerate(steps):
        if step == "examine":
            seen = kept.union(*passing.values())
            wanted = sorted(values - seen)
            examined = deduplication.examine(number, envelope(*sorted(values)))
            found = examined.envelope.digests if examined.envelope else b""
            assert found == b"".join(value.to_bytes(8, "big") for value in wanted)
            assert examined.repeated == len(values & seen)
            passing[number] = set(wanted)
        elif step == "stored" and passing:
            oldest = min(passing)
            deduplication.stored(oldest)
            kept |= passing.pop(oldest)
        elif step == "restart":
            deduplication.restart()
            passing.clear()
        assert len(deduplication) == len(kept)


def batch(*numbers: int) -> object:
    return pack([str(n).encode() for n in numbers], b"".join(n.to_bytes(8, "big") for n in numbers), "7")


def deduplication() -> Deduplication:
    return Deduplication(DigestMemory(100.0), SteadyClock())


def test_what_is_all_new_is_passed_on_unchanged() -> None:
    envelope = batch(1, 2, 3)
    assert deduplication().examine(1, envelope).envelope is envelope  # type: ignore[arg-type]


def test_what_was_seen_is_taken_out() -> None:
    seen = deduplication()
    seen.examine(1, batch(1, 2))  # type: ignore[arg-type]
    examined = seen.examine(2, batch(2, 3, 3))  # type: ignore[arg-type]
    assert examined.envelope == batch(3)
    assert examined.repeated == 2
    assert seen.examine(3, batch(1, 2, 3)).envelope is None  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.booleans()), max_size=8))
def test_of_each_occurrence_the_first_is_let_through_and_no_other(
    batches: list[tuple[list[int], bool]],
) -> None:
    seen, known = deduplication(), set[int]()
    for number, (numbers, is_stored) in enumerate(batches):
        examined = seen.examine(number, batch(*numbers))  # type: ignore[arg-type]
        new = [number for index, number in enumerate(numbers) if number not in known and number not in numbers[:index]]
        assert [numbers[index] for index in examined.new] == new
        assert examined.envelope == (batch(*new) if new else None)
        assert examined.repeated == len(numbers) - len(new)
        known.update(numbers)
        if is_stored:
            seen.stored(number)


def test_what_was_let_through_and_not_stored_is_forgotten_with_the_epoch() -> None:
    seen = deduplication()
    seen.examine(1, batch(1))  # type: ignore[arg-type]
    seen.stored(1)
    seen.examine(2, batch(2))  # type: ignore[arg-type]
    seen.restart()
    assert seen.examine(1, batch(1, 2)).envelope == batch(2)  # type: ignore[arg-type]


def test_the_clock_goes_on_evenly_although_it_is_set() -> None:
    wall, steady = [1000.0], [5.0]
    clock = SteadyClock(lambda: wall[0], lambda: steady[0])
    wall[0], steady[0] = 99_999.0, 6.0
    assert clock.now() == 1001.0
