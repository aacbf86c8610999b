"""The Events that the cluster lists, by digest, with the offsets at which the queue has them."""

from array import array
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from kigeon.events.occurrence import DIGEST_SIZE
from kigeon.operator.listing import CHUNK, Keys, Listing, in_order, place_of
from kigeon.queue.dedup.digests import as_bytes
from kigeon.queue.log.end import Run

WORDS = st.integers(0, 2**64 - 1)


@given(st.lists(WORDS | st.integers(0, 5)))
def test_keys_are_numbered_as_they_come_each_once(words: list[int]) -> None:
    keys = Keys()
    order = list(dict.fromkeys(words))
    assert [keys.add(word) for word in words] == [order.index(word) for word in words]
    assert len(keys) == len(order)
    assert [keys.find(word) for word in order] == list(range(len(order)))
    assert keys.find(next(word for word in range(10**6) if word not in order)) == -1


def test_more_keys_than_a_table_has_slots_at_first() -> None:
    keys = Keys()
    assert [keys.add(word * 2**32) for word in range(5000)] == list(range(5000))
    assert all(keys.find(word * 2**32) == word for word in range(5000))


def test_each_event_has_the_first_offset_of_its_digest_also_where_it_is_listed_twice(tmp_path: Path) -> None:
    first, second, third = (as_bytes([word]) for word in (7, 8, 9))
    assert len(first) == DIGEST_SIZE
    listing = Listing()
    for digest in (second, first, second, third):
        listing.add(digest)
    assert (len(listing), listing.missing) == (4, 3)
    listing.note(Run(10, first + second))
    listing.note(Run(20, second))
    assert listing.missing == 1
    listing.close(tmp_path)
    assert list(listing) == [11, 10, 11, 0]
    assert list(listing.sorted) == [10, 11]


@given(st.lists(st.integers(0, 2**40)), st.integers(0, 2**40))
def test_a_place_is_found_where_there_is_one(offsets: list[int], wanted: int) -> None:
    ordered = in_order(offsets)
    assert list(ordered) == sorted(offsets)
    place = place_of(ordered, wanted)
    assert ordered[place] == wanted if wanted in offsets else place == -1


def test_chunks_are_merged() -> None:
    assert in_order(range(2 * CHUNK, -1, -1)) == array("Q", range(2 * CHUNK + 1))
