"""Reading an event's fields alone tells the same as reading all of it, or says that all of it has to be read."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from kigeon.events.fields import fields_of
from kigeon.events.occurrence import timestamp_of
from kigeon.events.reading import read_fields
from tests.support.events import make_event
from tests.support.malformed import MALFORMED_EVENTS

SHORT = st.text(max_size=4)
TIMES = ("firstTimestamp", "lastTimestamp", "eventTime")
NEWER: dict[str, Any] = {
    "source": {},
    "reportingComponent": "kubelet",
    "reportingInstance": "node-7",
    "eventTime": "2026-03-01T10:00:31.5Z",
    "series": {"count": 4, "lastObservedTime": "2026-03-01T10:05:00.25Z"},
    "firstTimestamp": None,
    "lastTimestamp": None,
    "count": 0,
}
PARTS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(TIMES, st.none() | st.sampled_from(["2026-03-01T10:00:00Z", "2026-03-01T10:00:07.5Z", "x"])),
        "count": st.none() | st.integers(-3, 10**19) | st.sampled_from([2.0, 10.0**17]),
        "series": st.none() | st.fixed_dictionaries({"count": st.integers(0, 9), "lastObservedTime": SHORT}),
        "metadata": st.none() | st.dictionaries(st.sampled_from(["name", "uid", "creationTimestamp"]), SHORT),
        "involvedObject": st.none() | st.dictionaries(st.sampled_from(["kind", "fieldPath", "x"]), SHORT),
        "message": st.none() | st.text(),
        "reportingComponent": st.none() | SHORT,
        "managedFields": st.lists(st.dictionaries(st.text(max_size=3), st.integers(), max_size=2), max_size=2),
    },
)


def whole(line: bytes) -> tuple[object, str, int]:
    """What reading all of an event tells."""
    event = orjson.loads(line)
    instance = event.get("reportingInstance")
    return fields_of(event), instance if isinstance(instance, str) else "", timestamp_of(event)


@pytest.mark.parametrize("event", [make_event(1), make_event(1, **NEWER), {}, {"metadata": None, "series": None}])
def test_a_usual_event_is_read_in_part(event: dict[str, Any]) -> None:
    line = orjson.dumps(event)
    assert read_fields(line) == whole(line)


@given(PARTS)
@example({"count": 10**18})
@example({"count": True})
def test_what_is_read_in_part_is_what_is_read_in_whole(event: dict[str, Any]) -> None:
    # Not orjson, so that characters are escaped too.
    line = json.dumps(event).encode()
    assert read_fields(line) in (None, whole(line))


@given(MALFORMED_EVENTS)
@example({"metadata": float("inf")})
def test_a_malformed_event_is_read_alike_or_has_to_be_read_whole(event: dict[str, Any]) -> None:
    line = json.dumps(event).encode()
    # Neither is JSON, though Python writes them: nothing reads such a line.
    assume(b"Infinity" not in line and b"NaN" not in line)
    assert read_fields(line) in (None, whole(line))


@pytest.mark.parametrize(
    "line",
    [
        b"", b"nothing", b"[]", b"null", b"7", b'{"count": "3"}', b'{"message": 7}', b'{"metadata": []}',
        b'{"message": "\\ud83d"}', b'{"message": "\xff"}', b'{"reason": "cut', b'{"count": 1e40}', b'{"count": 1.5}',
        b'{"x":' + b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_unusual_or_no_event_has_to_be_read_whole(line: bytes) -> None:
    assert read_fields(line) is None
