from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kigeon.events.occurrence import DIGEST_SIZE, identity_of, parse_time, timestamp_of
from tests.events.test_fields import MALFORMED

EVENT: dict[str, Any] = {
    "metadata": {
        "name": "web-0.17a",
        "namespace": "shop",
        "uid": "6f3c1a52-0d0e-4d1c-9f8e-0f1e2d3c4b5a",
        "resourceVersion": "812",
        "creationTimestamp": "2026-03-01T10:00:00Z",
    },
    "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "web-0"},
    "count": 2,
    "firstTimestamp": "2026-03-01T10:00:00Z",
    "lastTimestamp": "2026-03-01T10:00:30Z",
}


@pytest.mark.parametrize(
    ("stamp", "nanoseconds"),
    [
        ("1970-01-01T00:00:01Z", 10**9),
        ("2026-03-01T10:00:00.123456Z", 1_772_359_200_123_456_000),
        ("2026-03-01T10:00:00.123456789Z", 1_772_359_200_123_456_789),
        ("2026-03-01T11:30:00+01:30", 1_772_359_200_000_000_000),
        ("2026-03-01T09:59:60Z", 1_772_359_199_000_000_000),
        ("2026-02-30T10:00:00Z", 0),
        ("1969-12-31T23:59:59Z", 0),
        ("yesterday", 0),
        ("", 0),
    ],
)
def test_times_are_read_to_the_nanosecond(stamp: str, nanoseconds: int) -> None:
    assert parse_time(stamp) == nanoseconds


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9999, 1, 1)))
def test_a_time_is_what_the_standard_library_reads(moment: datetime) -> None:
    moment = moment.replace(tzinfo=UTC, microsecond=0)
    assert parse_time(moment.isoformat().replace("+00:00", "Z")) == int(moment.timestamp()) * 10**9


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"lastTimestamp": "2026-03-01T10:00:30Z"}, "2026-03-01T10:00:30Z"),
        ({"eventTime": "2026-03-01T10:00:31.5Z", "lastTimestamp": None}, "2026-03-01T10:00:31.5Z"),
        (
            {"eventTime": "2026-03-01T10:00:31Z", "series": {"count": 4, "lastObservedTime": "2026-03-01T10:05:00Z"}},
            "2026-03-01T10:05:00Z",
        ),
        ({"lastTimestamp": 7, "firstTimestamp": None}, "2026-03-01T10:00:00Z"),
        ({"lastTimestamp": "rubbish", "firstTimestamp": "2026-03-01T10:00:07Z"}, "2026-03-01T10:00:07Z"),
    ],
)
def test_the_timestamp_is_the_latest_time_it_was_seen(fields: dict[str, object], expected: str) -> None:
    event = {"metadata": {"creationTimestamp": "2026-03-01T10:00:00Z"}, **fields}
    assert timestamp_of(event) == parse_time(expected)


def changed(**fields: object) -> dict[str, object]:
    return {**deepcopy(EVENT), **fields}


@given(st.text(), st.dictionaries(st.text(), st.text()), st.text())
def test_identity_is_stable_under_what_is_no_occurrence(
    version: str, annotations: dict[str, str], message: str
) -> None:
    touched = changed(message=message)
    touched["metadata"] = {**EVENT["metadata"], "resourceVersion": version, "annotations": annotations}
    assert identity_of(touched) == identity_of(EVENT)


@pytest.mark.parametrize(
    "other",
    [
        changed(count=3),
        changed(lastTimestamp="2026-03-01T10:00:31Z"),
        changed(series={"count": 2}),
        changed(series={"count": 3}),
        changed(series={"lastObservedTime": "2026-03-01T10:01:00.000001Z"}),
        changed(metadata={**EVENT["metadata"], "uid": "another"}),
    ],
)
def test_another_occurrence_has_another_identity(other: dict[str, object]) -> None:
    assert identity_of(other) != identity_of(EVENT)


def test_an_object_without_uid_is_told_apart_by_its_name() -> None:
    first, second = changed(metadata={"name": "a"}), changed(metadata={"name": "b"})
    assert identity_of(first) != identity_of(second)


@given(MALFORMED)
def test_any_object_has_an_identity(event: dict[str, object]) -> None:
    assert len(identity_of(event)) == DIGEST_SIZE
    assert identity_of(event) == identity_of(deepcopy(event))
