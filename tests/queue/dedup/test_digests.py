from hypothesis import given
from hypothesis import strategies as st

from kigeon.clock import SteadyClock
from kigeon.events.envelope import pack
from kigeon.queue.dedup.digests import DigestMemory, DigestTable, as_bytes, integers
from kigeon.queue.dedup.index import Deduplication

DIGESTS = st.integers(1, 2**64 - 1)


@given(st.lists(DIGESTS), st.lists(DIGESTS))
def test_a_table_is_a_set(added: list[int], asked: list[int]) -> None:
    table = DigestTable(4)
    for value in [*added, *added]:
        table.add(value)
    assert len(table) == len(set(added))
    assert table.missing([*added, *asked]) == [value for value in asked if value not in set(added)]


def test_digests_that_collide_are_told_apart() -> None:
    table = DigestTable(8)
    values = [8 * number + 1 for number in range(1, 200)]
    for value in values:
        table.add(value)
    assert table.missing([*values, 8 * 200 + 1]) == [8 * 200 + 1]


@given(st.lists(st.binary(min_size=8, max_size=8), max_size=20))
def test_bytes_and_integers_are_the_same_digests(digests: list[bytes]) -> None:
    joined = b"".join(digests)
    values = integers(joined)
    assert 0 not in values
    if bytes(8) not in digests:
        assert as_bytes(values) == joined


@given(st.floats(10, 10_000), st.lists(st.tuples(DIGESTS, st.floats(0, 20_000)), max_size=30))
def test_nothing_is_forgotten_before_its_time_and_all_of_it_in_the_end(
    seconds: float, seen: list[tuple[int, float]]
) -> None:
    memory = DigestMemory(seconds)
    for value, at in seen:
        memory.add([value], at)
    now = 20_000.0
    memory.forget(now)
    assert memory.missing(value for value, at in seen if at >= now - seconds) == []
    memory.forget(now + 2 * seconds + 2)
    assert len(memory) == 0


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
