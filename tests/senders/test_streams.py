"""The streams that are remembered: the same labels as without, and never more of them than there is room for."""

from hypothesis import given
from hypothesis import strategies as st

from kigeon.senders.line import LABELS, MAX_LABEL_VALUE, LabelValues, labels_of
from kigeon.senders.loki.streams import FALLBACK_STREAM, LARGEST, MOST, Stream, Streams

NAMES = ("namespace", "reason", "count")
VALUES = st.tuples(st.text(max_size=3), st.sampled_from(["", "BackOff", "\ufffd", "x" * 3000]), st.integers(1, 3))
OWN = st.dictionaries(st.sampled_from(["app", "reason"]), st.text(min_size=1, max_size=3)).map(
    lambda labels: tuple(labels.items())
)


@given(st.lists(st.tuples(VALUES, OWN), max_size=20))
def test_a_stream_is_the_same_whether_it_is_remembered_or_not(asked: list[tuple[LabelValues, Stream]]) -> None:
    streams = Streams()
    for values, own in [*asked, *asked]:
        made_anew = Streams().stream_of(NAMES, values, own)
        assert streams.stream_of(NAMES, values, own) == made_anew
        assert dict(made_anew) == {**labels_of(NAMES, values), **dict(own)}
        assert list(made_anew) == sorted(made_anew)


def test_events_of_one_stream_share_it() -> None:
    streams = Streams()
    first = streams.stream_of(NAMES, ("shop", "BackOff", 1), (("app", "kigeon"),))
    assert streams.stream_of(NAMES, ("shop", "BackOff", 1), (("app", "kigeon"),)) is first
    assert streams.stream_of(NAMES, ("shop", "BackOff", 2), (("app", "kigeon"),)) is not first


def test_other_names_and_other_own_labels_are_other_streams() -> None:
    streams = Streams()
    assert streams.stream_of(("namespace",), ("a",), ()) == (("namespace", "a"),)
    assert streams.stream_of(("reason",), ("a",), ()) == (("reason", "a"),)
    assert streams.stream_of(("reason",), ("a",), (("reason", "b"),)) == (("reason", "b"),)
    assert streams.stream_of((), (), ()) == FALLBACK_STREAM


def test_there_is_an_end_to_what_is_remembered() -> None:
    streams = Streams()
    for number in range(MOST + 10):
        streams.stream_of(("reason",), (f"r{number}",), ())
    assert len(streams) == 10


def test_enormous_labels_are_not_remembered() -> None:
    streams = Streams()
    assert streams.stream_of(("reason",), ("x" * 10**6,), ()) == (("reason", "x" * MAX_LABEL_VALUE),)
    assert streams.stream_of((), (), (("mine", "x" * (LARGEST + 1)),))
    assert len(streams) == 0


def test_every_label_can_be_one_of_a_stream() -> None:
    values = tuple(f"value of {name}" for name in LABELS)
    assert dict(Streams().stream_of(tuple(LABELS), values, ())) == dict(zip(LABELS, values, strict=True))
