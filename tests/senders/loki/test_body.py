"""Bodies in both encodings, read back by decoders that share nothing with what wrote them."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from typing import Any

import cramjam
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kigeon.senders.delivery.lane import MAX_PUSH_BYTES, Item, Lane
from kigeon.senders.loki.body import body_of, labels_text
from kigeon.senders.loki.entry import LokiDestination, LokiEntry
from kigeon.senders.loki.settings import ENCODINGS, JSON, PROTOBUF, LokiSettings
from kigeon.senders.loki.sink import LokiSink
from kigeon.senders.progress.envelope import EnvelopeProgress
from kigeon.senders.progress.outcome import Outcome
from kigeon.senders.steps import Final, Preparer
from tests.support.events import make_event
from tests.support.loki.protobuf import read_labels
from tests.support.malformed import MALFORMED_EVENTS

Found = list[tuple[dict[str, str], list[tuple[int, str, dict[str, str]]]]]
"""Streams in the order of a body: labels, then time, line and metadata of each entry."""

DESTINATION = LokiDestination("http://loki")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.from_regex(r"[a-z]{1,3}", fullmatch=True)
STREAMS = st.dictionaries(NAMES, TEXT.filter(bool), max_size=3).map(lambda labels: tuple(sorted(labels.items())))
ENTRIES = st.lists(
    st.builds(
        LokiEntry,
        st.just(DESTINATION),
        STREAMS,
        st.integers(0, 2**63 - 1) | st.integers(0, 3).map(lambda second: second * 10**9),
        TEXT,
        st.dictionaries(NAMES, TEXT.filter(bool), max_size=3),
        st.just(0),
    ),
    min_size=1,
    max_size=12,
)


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at *at*, and where what follows it begins."""
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield number and content of each field of a message: an int, or bytes."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        value, at = varint(data, at)
        if tag & 7 == 2:
            yield tag >> 3, data[at : at + value]
            at += value
        else:
            assert tag & 7 == 0
            yield tag >> 3, value


def entry_of(message: bytes) -> tuple[int, str, dict[str, str]]:
    found = list(fields(message))
    time = dict(fields(dict(found)[1]))
    assert 0 <= time.get(2, 0) < 10**9
    pairs = [dict(fields(pair)) for number, pair in found if number == 3]
    metadata = {pair[1].decode(): pair[2].decode() for pair in pairs}
    return time.get(1, 0) * 10**9 + time.get(2, 0), dict(found).get(2, b"").decode(), metadata


def from_protobuf(body: bytes) -> Found:
    found: Found = []
    for _, stream in fields(bytes(cramjam.snappy.decompress_raw(body))):
        parts = list(fields(stream))
        found.append((read_labels(dict(parts)[1].decode()), [entry_of(part) for number, part in parts if number == 2]))
    return found


def from_json(body: bytes) -> Found:
    streams = orjson.loads(gzip.decompress(body))["streams"]
    return [
        (stream["stream"], [(int(time), line, more[0] if more else {}) for time, line, *more in stream["values"]])
        for stream in streams
    ]


def uncompressed(body: bytes, encoding: str) -> int:
    return len(gzip.decompress(body) if encoding == JSON else bytes(cramjam.snappy.decompress_raw(body)))


@given(ENTRIES)
def test_both_encodings_say_the_same_and_all_of_it(entries: list[LokiEntry]) -> None:
    found = from_protobuf(body_of(entries, PROTOBUF))
    assert found == from_json(body_of(entries, JSON))
    said = [(tuple(labels.items()), *entry) for labels, lines in found for entry in lines]
    wanted = [(entry.stream, entry.timestamp, entry.line, entry.metadata) for entry in entries]
    assert sorted(map(repr, said)) == sorted(map(repr, wanted))
    assert [tuple(labels.items()) for labels, _ in found] == list(dict.fromkeys(entry.stream for entry in entries))
    assert all(lines == sorted(lines, key=lambda line: line[0]) for _, lines in found)


@given(st.lists(MALFORMED_EVENTS, min_size=1, max_size=8))
def test_events_of_any_shape_are_the_same_in_both_encodings(events: list[dict[str, Any]]) -> None:
    sink = LokiSink(LokiSettings("http://loki"))
    entries = [sink.entry(event, None) for event in events]
    assert from_protobuf(body_of(entries, PROTOBUF)) == from_json(body_of(entries, JSON))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("web", "web"),
        ('a "b" \\ c', 'a \\"b\\" \\\\ c'),
        ("a\nb\r\t\a\b\f\v", r"a\nb\r\t\a\b\f\v"),
        ("\0\x1f\x7f", r"\x00\x1f\x7f"),
        ("ü 語 \N{GRINNING FACE}", "ü 語 \N{GRINNING FACE}"),
        ("\u2028\ufeff\U000e0001", r"\u2028\ufeff\U000e0001"),
    ],
)
def test_labels_are_quoted_as_go_quotes_them(value: str, written: str) -> None:
    assert labels_text((("a", value), ("b", "c"))) == f'{{a="{written}", b="c"}}'


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_time_that_loki_does_not_know_is_the_latest_that_it_knows(encoding: str) -> None:
    """Else Loki would refuse a whole push in JSON, and in protobuf take another time for it."""
    event = make_event(1, lastTimestamp="9999-12-31T23:59:59Z")
    entry = LokiSink(LokiSettings("http://loki")).entry(event, None)
    body = body_of([entry], encoding)
    ((_, ((time, _, _),)),) = from_json(body) if encoding == JSON else from_protobuf(body)
    assert time == 2**63 - 1


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_lone_surrogate_stops_nothing(encoding: str) -> None:
    """A JSON text that names one is not of UTF-8: its event is parked, and the next goes on."""
    sink = LokiSink(LokiSettings("http://loki", encoding=encoding))
    raw = [b'{"message": "\\ud800"}', orjson.dumps(make_event(1))]
    broken, entry = Preparer(sink).prepare(raw)
    assert isinstance(broken, Final)
    assert broken.outcome is Outcome.PARKED
    assert isinstance(entry, LokiEntry)
    assert body_of([entry], encoding)


def events_of_any_size() -> st.SearchStrategy[dict[str, Any]]:
    texts = st.text(max_size=300) | st.integers(0, 3000).map("x".__mul__) | st.integers(0, 3000).map("ü\n".__mul__)
    return st.builds(lambda message, reason: make_event(1, message=message, reason=reason), texts, texts)


@given(events_of_any_size())
def test_the_size_of_an_entry_is_what_it_adds_to_a_body(event: dict[str, Any]) -> None:
    """JSON may need twice as much: it quotes the quotes of a line. It is gzipped, and no limit of Loki's is near."""
    entry = LokiSink(LokiSettings("http://loki")).entry(event, None)
    added = {
        encoding: uncompressed(body_of([entry, entry], encoding), encoding)
        - uncompressed(body_of([entry], encoding), encoding)
        for encoding in ENCODINGS
    }
    # A varint of a stream's length may grow.
    assert added[PROTOBUF] - 2 <= entry.size <= added[PROTOBUF] + 100
    assert added[JSON] <= 2 * entry.size + 50


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_push_is_never_larger_than_loki_passes_on(encoding: str) -> None:
    sink = LokiSink(LokiSettings("http://loki", encoding=encoding))
    entries = [sink.entry(make_event(number, message='\n"' * (number % 2000)), None) for number in range(2000)]
    lane = Lane(DESTINATION)
    lane.add(Item(EnvelopeProgress(1, 1, 1), 0, b"", entry) for entry in entries)
    pushes = []
    while push := lane.take():
        pushes.append([item.entry for item in push])
    assert len(pushes) > 1
    most = (1 if encoding == PROTOBUF else 2) * MAX_PUSH_BYTES + 1024
    assert MAX_PUSH_BYTES / 2 < max_size(pushes, encoding) <= most


def max_size(pushes: Sequence[Sequence[LokiEntry]], encoding: str) -> int:
    return max(uncompressed(body_of(push, encoding), encoding) for push in pushes)
