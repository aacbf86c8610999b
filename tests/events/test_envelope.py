from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kigeon.errors import UnreadableEnvelope
from kigeon.events.envelope import Envelope, Headers, keep, pack, read_headers, unpack, write_headers
from kigeon.events.occurrence import DIGEST_SIZE

RAW = st.binary(min_size=1, max_size=40).filter(lambda raw: b"\n" not in raw)
EVENTS = st.lists(st.tuples(RAW, st.binary(min_size=DIGEST_SIZE, max_size=DIGEST_SIZE)), min_size=1, max_size=20)


def packed(events: list[tuple[bytes, bytes]], version: str = "") -> Envelope:
    return pack([raw for raw, _ in events], b"".join(digest for _, digest in events), version)


@given(EVENTS, st.integers(1, 10**15), st.from_regex(r"[0-9]{0,12}", fullmatch=True))
def test_an_envelope_read_back_is_what_was_written(events: list[tuple[bytes, bytes]], first: int, version: str) -> None:
    envelope = packed(events, version)
    headers = read_headers(write_headers(envelope, first, "writer"))
    assert unpack(envelope.payload) == [raw for raw, _ in events]
    assert headers == Headers(len(events), first, b"".join(digest for _, digest in events), version, "writer")


@given(EVENTS, st.data())
def test_keeping_some_events_keeps_them_in_order(events: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    chosen = sorted(data.draw(st.sets(st.integers(0, len(events) - 1), min_size=1)))
    assert keep(packed(events, "7"), chosen) == packed([events[index] for index in chosen], "7")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Kigeon-Format", "2"),
        ("Kigeon-Count", "0"),
        ("Kigeon-Count", "two"),
        ("Kigeon-Count", "2"),
        ("Kigeon-First", ""),
        ("Kigeon-First", "-4"),
        ("Kigeon-Digests", "%%%"),
        ("Kigeon-Digests", ""),
    ],
)
def test_a_wrong_header_is_named(header: str, value: str) -> None:
    headers = write_headers(packed([(b"{}", bytes(DIGEST_SIZE))]), 1, "writer") | {header: value}
    with pytest.raises(
        UnreadableEnvelope, match="Kigeon-Digests" if header == "Kigeon-Count" and value == "2" else header
    ):
        read_headers(headers)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_envelope_are_refused(payload: bytes) -> None:
    with pytest.raises(UnreadableEnvelope):
        unpack(payload)


@given(st.integers(0, 10**6), st.integers(0, 7))
def test_a_flipped_bit_never_goes_unnoticed(place: int, bit: int) -> None:
    events = [f'{{"n":{n}}}'.encode() for n in range(50)]
    payload = bytearray(pack(events, bytes(DIGEST_SIZE * 50)).payload)
    payload[place % len(payload)] ^= 1 << bit
    try:
        assert unpack(bytes(payload)) == events
    except UnreadableEnvelope:
        return


def test_a_bomb_is_refused() -> None:
    with pytest.raises(UnreadableEnvelope, match="claims to unpack"):
        unpack(pack([bytes(65 * 1024 * 1024)], bytes(DIGEST_SIZE)).payload)


def test_threads_pack_and_unpack_at_once() -> None:
    """A compressor that two threads share crashes the interpreter, or writes what nobody can read."""
    large = [b'{"n":%d}' % number * 40 for number in range(1500)]
    batches = [large, large[:1], [], large[:150]]

    def work(batch: list[bytes]) -> bool:
        payloads = (pack(batch, b"").payload for _ in range(100))
        return all(not batch or unpack(payload) == batch for payload in payloads)

    with ThreadPoolExecutor(len(batches)) as threads:
        assert all(threads.map(work, batches))
