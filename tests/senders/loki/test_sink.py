"""What an event becomes, and how entries become a body: functions of the event and the configuration alone."""

import json
from copy import deepcopy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kigeon.events.fields import EventFields
from kigeon.senders.line import LINE, fields_to_send, line_of, read_to_send
from kigeon.senders.loki.body import body_of
from kigeon.senders.loki.entry import LokiDestination, LokiEntry
from kigeon.senders.loki.labels import FIELDS, named_alike
from kigeon.senders.loki.settings import ENCODINGS, BasicAuth, LokiSettings
from tests.senders.loki.sinks import ORDER, sink
from tests.support.events import make_event
from tests.support.malformed import MALFORMED_EVENTS


@given(MALFORMED_EVENTS)
def test_an_event_of_any_shape_has_an_entry(event: dict[str, Any]) -> None:
    entry = sink().entry(event, None)
    line = json.loads(entry.line)
    assert [key for key in ORDER if key in line] == list(line)
    assert "" not in line.values()
    assert line["count"] >= 1
    assert all(isinstance(value, str) for _, value in entry.stream)


@given(MALFORMED_EVENTS)
def test_a_line_is_the_compact_json_of_what_there_is(event: dict[str, Any]) -> None:
    """Byte for byte what earlier versions pushed: a push that a new version repeats is dropped by Loki."""
    fields = fields_to_send(event)
    pairs = {key: getattr(fields, name) for key, name in LINE.items()}
    assert line_of(fields).encode() == orjson.dumps({key: value for key, value in pairs.items() if value != ""})


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_line_escapes_what_earlier_versions_escaped(message: str) -> None:
    line = line_of(fields_to_send({"message": message}))
    assert line.encode() == orjson.dumps({**({"message": message} if message else {}), "count": 1})


@given(MALFORMED_EVENTS)
def test_an_event_that_is_read_in_part_has_the_same_entry(event: dict[str, Any]) -> None:
    line = json.dumps(event).encode()
    read = read_to_send(line)
    made = sink(structured_metadata=named_alike(*FIELDS))
    assert read is None or made.entry_of_fields(*read) == made.entry(orjson.loads(line), None)


@given(st.lists(MALFORMED_EVENTS, min_size=1, max_size=8))
def test_a_push_that_is_repeated_is_byte_identical(events: list[dict[str, Any]]) -> None:
    for encoding in ENCODINGS:
        first = body_of([sink().entry(event, None) for event in events], encoding)
        second = body_of([sink().entry(deepcopy(event), None) for event in events], encoding)
        assert first == second


def test_a_configured_label_wins_and_fields_are_divided_as_configured() -> None:
    chosen = sink(
        stream_labels={"reason": "mine", "cluster": "c"},
        event_labels=named_alike("reason"),
        structured_metadata=named_alike("count", "name"),
    )
    entry = chosen.entry(make_event(1), None)
    assert dict(entry.stream) == {"reason": "mine", "cluster": "c", "service_name": "kigeon"}
    assert entry.metadata == {"count": "1", "name": "web-1.17a"}


def test_labels_and_metadata_are_called_as_configured() -> None:
    chosen = sink(
        event_labels=(("kind", "involved_object_kind"), ("also", "involved_object_kind")),
        structured_metadata=(("pod", "involved_object_name"),),
    )
    entry = chosen.entry(make_event(1), None)
    assert dict(entry.stream) == {"kind": "Pod", "also": "Pod", "service_name": "kigeon"}
    assert entry.metadata == {"pod": "web-1"}


def test_what_is_a_stream_label_is_no_metadata_of_the_same_name() -> None:
    """Loki would show it twice, as ``reason_extracted``; but what a configured label hides stays."""
    labels = (("reason", "reason"), ("name", "name"), ("type", "type"))
    metadata = (("reason", "reason"), ("name", "involved_object_name"), ("type", "type"), ("level", "level"))
    chosen = sink(event_labels=labels, structured_metadata=metadata, stream_labels={"type": "mine"})
    entry = chosen.entry(make_event(1), None)
    assert dict(entry.stream) == {"reason": "BackOff", "name": "web-1.17a", "type": "mine"}
    assert entry.metadata == {"name": "web-1", "type": "Warning", "level": "warn"}


def test_an_event_without_any_label_has_a_stream() -> None:
    assert sink().entry({}, None).stream == (("service_name", "kigeon"),)


def test_every_field_that_may_be_a_label_is_one_of_an_event() -> None:
    event = make_event(1, action="Killing", reportingComponent="kubelet")
    event["involvedObject"]["fieldPath"] = "spec.containers{web}"
    fields = fields_to_send(event)
    assert all(getattr(fields, attribute) for attribute in FIELDS.values())
    assert set(EventFields.__struct_fields__) - set(FIELDS.values()) == {
        "message",
        "first_timestamp",
        "last_timestamp",
    }


@pytest.mark.parametrize("sign", ["x", "\u00e9", "\u20ac", "\U0001f54a"])
def test_the_size_of_an_entry_counts_bytes(sign: str) -> None:
    """Loki's limits do: what has four bytes a character is four times as long for it."""
    chosen = sink(structured_metadata=(("pod", "involved_object_name"),))
    event = make_event(1, message=sign * 5000)
    event["involvedObject"]["name"] = sign * 500
    entry, short = chosen.entry(event, None), chosen.entry(make_event(1, message=""), None)
    added = [len(each.line.encode()) + len(each.metadata["pod"].encode()) for each in (entry, short)]
    assert entry.size - short.size == added[0] - added[1] > 5500 * len(sign.encode())


def test_what_a_hook_returned_is_another_destination() -> None:
    loki = sink(basic_auth=BasicAuth("u", "s3cr3t"))
    other = LokiSettings("http://other/", tenant_id="t")
    entry = loki.entry(make_event(1), other)
    assert entry.destination == LokiDestination("http://other", "t")
    assert entry.destination.label == "http://other tenant t"
    assert "s3cr3t" not in repr(loki.entry(make_event(1), None))


@pytest.mark.parametrize("count", [1, 100])
def test_entries_are_small_tuples(count: int) -> None:
    entries = [sink().entry(make_event(number), None) for number in range(count)]
    assert all(isinstance(entry, LokiEntry) for entry in entries)
