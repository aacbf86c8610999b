"""Events for tests, and what ought to have become of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from kigeon.events.fields import fields_of
from kigeon.events.occurrence import timestamp_of
from tests.support.loki import Line

Occurrence = tuple[str, int, int]
"""An event's uid, its count, and its time in nanoseconds."""


def make_event(number: int, namespace: str = "shop", count: int = 1, **fields: Any) -> dict[str, Any]:
    """Return a lifelike core/v1 Event; the same *number* is the same object, another *count* its next occurrence."""
    last = datetime.now(UTC) - timedelta(seconds=1000 - count)
    stamp = last.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "metadata": {
            "name": f"web-{number}.17a",
            "namespace": namespace,
            "uid": f"00000000-0000-4000-8000-{number:012d}",
            "creationTimestamp": stamp,
            "managedFields": [{"manager": "kubelet", "operation": "Update", "fieldsV1": {"f:count": {}}}],
        },
        "involvedObject": {"kind": "Pod", "namespace": namespace, "name": f"web-{number}", "uid": f"pod-{number}"},
        "reason": "BackOff",
        "message": f"Back-off restarting failed container, {number}",
        "source": {"component": "kubelet", "host": f"node-{number % 7}"},
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": count,
        "type": "Warning",
        **fields,
    }


def occurrence_of(event: Mapping[str, Any]) -> Occurrence:
    """Return what tells an event's occurrence apart."""
    fields = fields_of(event)
    return fields.uid, fields.count, timestamp_of(event)


def arrived(lines: Iterable[Line]) -> Counter[Occurrence]:
    """Return how often each occurrence is held."""
    return Counter((line.fields["uid"], line.fields["count"], line.timestamp) for line in lines)


def assert_once(lines: Iterable[Line], events: Iterable[Mapping[str, Any]]) -> None:
    """Assert that each of *events* arrived, once, and nothing else did."""
    found, wanted = arrived(lines), {occurrence_of(event) for event in events}
    doubled = [key for key, times in found.items() if times > 1]
    missing, strange = wanted - found.keys(), found.keys() - wanted
    assert not doubled, f"{len(doubled)} arrived more than once, {doubled[:3]} among them"
    assert not missing, f"{len(missing)} of {len(wanted)} did not arrive, {sorted(missing)[:3]} among them"
    assert not strange, f"{len(strange)} arrived that were never sent, {sorted(strange)[:3]} among them"
