from hypothesis import given
from hypothesis import strategies as st

from kigeon.queue.dedup.digests import DigestMemory, DigestTable, as_bytes, integers

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
