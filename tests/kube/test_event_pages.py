"""Pages of Events that are read in part: what is told of them is what reading the whole would tell."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kigeon.errors import KubernetesError
from kigeon.events.fields import mapping, namespace_of, text
from kigeon.events.kind import EventKinds
from kigeon.events.occurrence import identity_of, timestamp_of
from kigeon.kube.completeness import last_written
from kigeon.kube.event_pages import parse_event_page
from kigeon.kube.lines import MAX_LINE_BYTES, parse_page, resource_version_of
from kigeon.kube.resume_anchor import anchor_of
from tests.support.events import make_event
from tests.support.malformed import JSON, MALFORMED_EVENTS

LATER = "2026-11-24T09:59:59.123456Z"
WHOLE = {
    **make_event(7),
    "series": {"count": 3, "lastObservedTime": LATER},
    "eventTime": "2026-11-24T08:00:00.000001Z",
    "note": "\u2026 \\ud83d\\ude00",
}
SOME = st.none() | st.sampled_from([0, -1, 7, 2.0, 10**15, 10**18, 10**30, "7", "", LATER, "web", [], {}, True])
KNOWN = (
    "count",
    "reason",
    "type",
    "firstTimestamp",
    "lastTimestamp",
    "eventTime",
    "series",
    "metadata",
    "involvedObject",
)
UNUSUAL = st.dictionaries(st.sampled_from(KNOWN), SOME).map(lambda changed: {**WHOLE, **changed})


def page(*items: bytes, version: str = "9", token: str = "t") -> bytes:
    """Return a page with these items."""
    head = orjson.dumps({"resourceVersion": version, "continue": token})
    return b'{"kind":"EventList","metadata":%s,"items":[%s]}' % (head, b",".join(items))


def told(event: dict[str, Any]) -> tuple[object, ...]:
    """Return everything that the Watcher asks of an Event."""
    metadata = mapping(event, "metadata")
    return (
        identity_of(event),
        timestamp_of(event),
        EventKinds(with_namespace=True).of(event),
        namespace_of(event),
        text(metadata, "namespace"),
        text(metadata, "uid"),
        metadata.get("creationTimestamp"),
        resource_version_of(event),
        anchor_of(event),
        last_written(event),
    )


@given(st.lists(MALFORMED_EVENTS | UNUSUAL | JSON, max_size=5))
def test_what_is_told_of_an_event_of_any_shape_is_the_same(events: list[Any]) -> None:
    body = page(*(json.dumps(event).encode() for event in events))
    found, whole = parse_event_page(body), parse_page(body)
    assert (found.resource_version, found.continue_token, found.unreadable) == ("9", "t", whole.unreadable)
    assert [told(event) for event, _ in found.items] == [told(event) for event, _ in whole.items]
    assert [orjson.loads(raw) for _, raw in found.items] == [event for event, _ in whole.items]


def test_an_event_is_read_no_further_than_what_is_asked_of_it() -> None:
    ((event, raw),) = parse_event_page(page(orjson.dumps(WHOLE))).items
    assert orjson.loads(raw) == WHOLE
    assert told(event) == told(WHOLE)
    assert {"message", "source", "note"} & event.keys() == set()


def test_its_json_stays_as_the_server_wrote_it() -> None:
    written = b'{ "metadata":{"name":"a","uid":"u"},"message":"\\u003ca\\u003e" }'
    ((_, raw),) = parse_event_page(page(written)).items
    assert raw == written


def test_what_holds_a_newline_is_written_again() -> None:
    """In the queue a newline ends an event."""
    ((_, raw),) = parse_event_page(page(orjson.dumps(WHOLE, option=orjson.OPT_INDENT_2))).items
    assert raw == orjson.dumps(WHOLE)


@pytest.mark.parametrize(
    "item",
    [
        b'{"metadata":{"name":"a"},"message":"\xff"}',
        b'{"metadata":{"name":"a"},"deep":%s}' % (b"[" * 300 + b"]" * 300),
        b'{"metadata":{"name":"a"},"message":"%s"}' % (b"x" * MAX_LINE_BYTES),
        b"[]",
        b"7",
    ],
    ids=["no UTF-8", "deep", "long", "a list", "a number"],
)
def test_what_can_not_be_handed_on_is_counted_and_costs_the_others_nothing(item: bytes) -> None:
    found = parse_event_page(page(item, orjson.dumps(WHOLE)))
    assert found.unreadable == 1
    assert [told(event) for event, _ in found.items] == [told(WHOLE)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"items":[]}',
        b'{"metadata":{},"items":[]}',
        b'{"metadata":{"resourceVersion":7},"items":[]}',
        b'{"metadata":{"resourceVersion":""},"items":[]}',
        b'{"metadata":{"resourceVersion":"9"},"items":[{"a":"\\ud800"}]}',
        b'{"metadata":{"resourceVersion":"9"},"items":[',
    ],
)
def test_what_is_no_page_is_refused_with_the_same_words(body: bytes) -> None:
    with pytest.raises(KubernetesError) as whole:
        parse_page(body)
    with pytest.raises(KubernetesError) as found:
        parse_event_page(body)
    assert str(found.value) == str(whole.value)


def test_an_empty_list_has_no_items() -> None:
    for items in (b"[]", b"null", b"{}"):
        found = parse_event_page(b'{"metadata":{"resourceVersion":"9"},"items":%s}' % items)
        assert (found.items, found.continue_token) == ([], "")
