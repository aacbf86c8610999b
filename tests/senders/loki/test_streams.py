"""The streams that are remembered: the same labels as without, and never more of them than there is room for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kigeon.senders.loki.labels import FIELDS, MAX_LABEL_VALUE, SERVICE_LABELS, LabelValues, labels_of
from kigeon.senders.loki.streams import LARGEST, MOST_STREAMS, Stream, Streams

NAMES = ("namespace", "reason", "count")
SERVICE = ("service_name", "kigeon")
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
        service = {} if "app" in dict(own) else dict([SERVICE])
        assert dict(made_anew) == {**labels_of(NAMES, values), **dict(own), **service}
        assert list(made_anew) == sorted(made_anew)


def test_events_of_one_stream_share_it() -> None:
    streams = Streams()
    first = streams.stream_of(NAMES, ("shop", "BackOff", 1), (("app", "kigeon"),))
    assert streams.stream_of(NAMES, ("shop", "BackOff", 1), (("app", "kigeon"),)) is first
    assert streams.stream_of(NAMES, ("shop", "BackOff", 2), (("app", "kigeon"),)) is not first


def test_other_names_and_other_own_labels_are_other_streams() -> None:
    streams = Streams()
    assert streams.stream_of(("namespace",), ("a",), ()) == (("namespace", "a"), SERVICE)
    assert streams.stream_of(("reason",), ("a",), ()) == (("reason", "a"), SERVICE)
    assert streams.stream_of(("reason",), ("a",), (("reason", "b"),)) == (("reason", "b"), SERVICE)


@pytest.mark.parametrize("name", sorted(SERVICE_LABELS))
def test_a_service_is_named_where_no_label_names_one(name: str) -> None:
    """By Loki's rule: a label that an event does not have names nothing."""
    streams = Streams()
    assert streams.stream_of((), (), ()) == (SERVICE,)
    assert streams.stream_of((), (), ((name, "mine"),)) == ((name, "mine"),)
    assert streams.stream_of((name,), ("web",), ()) == ((name, "web"),)
    assert streams.stream_of((name,), ("",), ()) == (SERVICE,)


def test_there_is_an_end_to_what_is_remembered() -> None:
    streams = Streams()
    for number in range(MOST_STREAMS + 10):
        streams.stream_of(("reason",), (f"r{number}",), ())
    assert len(streams) == 10


def test_enormous_labels_are_not_remembered() -> None:
    streams = Streams()
    assert streams.stream_of(("reason",), ("x" * 10**6,), ()) == (("reason", "x" * MAX_LABEL_VALUE), SERVICE)
    assert streams.stream_of((), (), (("mine", "x" * (LARGEST + 1)),))
    assert len(streams) == 0


def test_every_label_can_be_one_of_a_stream() -> None:
    values = tuple(f"value of {name}" for name in FIELDS)
    assert dict(Streams().stream_of(tuple(FIELDS), values, ())) == dict(zip(FIELDS, values, strict=True))
