"""A position's record, damaged: it is read as one that a sender can work with, or said to be unreadable."""

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kigeon.errors import UnreadablePosition
from kigeon.senders.progress.envelope import Position
from kigeon.senders.progress.ledger import Ledger
from kigeon.senders.progress.outcome import Outcome
from kigeon.senders.progress.position import read_position, write_position

RECORD = {
    "format": 1,
    "sequence": 42,
    "number": 9001,
    "first": 501,
    "open": [[40, 8500, 3, "5"], [41, 8503, 2, "0"]],
    "retrySequence": 9,
    "retry": {"7": "3f"},
    "counts": {"sent": 8400, "filtered": 99},
    "doubted": [[8192, "7f"], [8704, "0"]],
}
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=4)
    | st.sampled_from(["0", "-1", "ff", "zz", "9" * 5000, 1e300, -1e300, 0, 1, 2**63])
)
ANY = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner), max_leaves=8
)


def use(record: bytes) -> None:
    """Do with *record* what a sender does at its start."""
    try:
        position = read_position(record)
    except UnreadablePosition:
        return
    ledger = Ledger(position)
    ledger.balance(Outcome.EVICTED)
    assert ledger.envelopes.read_from >= 1
    assert ledger.envelopes.open_events == 0
    assert all(count >= 0 for count in ledger.counts.values())
    for page in position.open:
        assert 0 <= page.open_count <= page.count
        assert len(list(page.open_indexes())) == page.open_count
    assert write_position(read_position(write_position(ledger.position()))) == write_position(ledger.position())


@given(st.sampled_from(sorted(RECORD)), ANY)
@example("number", 1e300)
@example("counts", {"sent": 1e300})
@example("counts", {"sent": -5})
@example("open", [[1, 1, 2**64 - 1, "0"]])
@example("open", [[1, 1, 3, "-1"]])
@example("open", [[1, 1, 3, "ff"]])
@example("open", [[1, 1, 3, "0"], [1, 1, 3, "0"]])
@example("retry", {"7": "-1"})
@example("doubted", [[512, "-1"]])
def test_whatever_stands_there_a_sender_can_begin(key: str, value: object) -> None:
    use(orjson.dumps({**RECORD, key: value}))


@pytest.mark.parametrize("key", ["sequence", "retrySequence", "open", "counts", "format"])
def test_what_is_nested_too_deeply_to_be_told_is_unreadable_too(key: str) -> None:
    record = orjson.dumps({**RECORD, key: "@"}).replace(b'"@"', b"[" * 1015 + b"]" * 1015)
    with pytest.raises(UnreadablePosition):
        read_position(record)


@given(st.integers(0, 400), st.binary(max_size=3), st.integers(0, 5))
def test_whatever_bytes_are_damaged_a_sender_can_begin(place: int, inserted: bytes, gone: int) -> None:
    record = orjson.dumps(RECORD)
    use(record[:place] + inserted + record[place + gone :])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("number", 1e300),
        ("first", 0.5),
        ("sequence", True),
        ("retrySequence", -1),
        ("counts", {"sent": 2**64 - 1}),
        ("open", [[1, 1, 10**9, "0"]]),
        ("open", [[1, 1, 3, "8"]]),
        ("open", [[42, 1, 3, "0"]]),
        ("doubted", [[8193, "1"]]),
        ("doubted", [[8192, "f" * 129]]),
        ("doubted", [[-512, "1"]]),
    ],
)
def test_numbers_that_were_never_counted_are_not_believed(key: str, value: object) -> None:
    with pytest.raises(UnreadablePosition):
        read_position(orjson.dumps({**RECORD, key: value}))


def test_a_record_of_an_earlier_version_explains_nothing_of_what_it_counts() -> None:
    """It noted no parkings: only where all was sent is it known that nothing is missing."""

    def read_old(counts: dict[Outcome, int]) -> int:
        record = orjson.loads(write_position(Position(7, 42, 1, counts=counts)))
        del record["explained"]
        return read_position(orjson.dumps(record)).explained

    assert read_old({Outcome.SENT: 41, Outcome.PARKED: 0}) == 0
    assert read_old({Outcome.SENT: 40, Outcome.PARKED: 1}) == 42
    assert read_position(write_position(Position(7, 42, 1, explained=30))).explained == 30


def test_what_is_in_doubt_is_kept_and_an_earlier_version_kept_nothing() -> None:
    ledger = Ledger(Position(7, 9000, 1, counts={Outcome.SENT: 8999}))
    ledger.doubts.add([1, 511, 512, 8999])
    ledger.doubts.discard([1])
    record = orjson.loads(write_position(ledger.position()))
    assert list(Ledger(read_position(orjson.dumps(record))).doubts) == [511, 512, 8999]
    del record["doubted"]
    assert not read_position(orjson.dumps(record)).doubted


def test_more_in_doubt_than_was_sent_is_not_believed() -> None:
    assert not read_position(orjson.dumps({**RECORD, "counts": {"sent": 6}})).doubted
