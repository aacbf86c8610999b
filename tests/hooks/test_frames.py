from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kigeon.hooks.frames import BrokenStream, Decoder, encode

FRAMES = st.lists(st.tuples(st.sampled_from([b"L", b"E", b"S", b"C", b"\0"]), st.binary(max_size=300)), max_size=8)


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[begin:end] for begin, end in pairwise(edges)]


@given(FRAMES, st.lists(st.integers(0, 10**4), max_size=20))
def test_any_cut_of_the_stream_gives_the_same_frames(frames: list[tuple[bytes, bytes]], places: list[int]) -> None:
    decoder = Decoder()
    pieces = cut(b"".join(encode(*frame) for frame in frames), places)
    assert [frame for piece in pieces for frame in decoder.feed(piece)] == frames


def test_byte_by_byte_a_frame_comes_with_its_last_byte() -> None:
    decoder = Decoder()
    stream = encode(b"C", b"{}")
    assert [decoder.feed(bytes([byte])) for byte in stream] == [[]] * (len(stream) - 1) + [[(b"C", b"{}")]]


def test_a_frame_of_the_greatest_size_is_taken_and_a_greater_one_refused_before_it_has_come() -> None:
    assert Decoder(most=10).feed(encode(b"C", b"x" * 10)) == [(b"C", b"x" * 10)]
    with pytest.raises(BrokenStream, match="11 bytes"):
        Decoder(most=10).feed(encode(b"C", b"x" * 11)[:5])
    with pytest.raises(BrokenStream):
        Decoder().feed(b"\xff\xff\xff\xffC")
