"""Makes the line that a reader sees of an event.

A line depends only on the event and the configuration: an event that is pushed twice has the same bytes twice, so that
a destination can drop the repeat.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import orjson

from kigeon.events.fields import EventFields, fields_of

LINE: Mapping[str, str] = {
    "name": "name",
    "namespace": "namespace",
    "involvedObjectKind": "involved_kind",
    "involvedObjectName": "involved_name",
    "involvedObjectNamespace": "involved_namespace",
    "reason": "reason",
    "message": "message",
    "type": "type",
    "count": "count",
    "sourceComponent": "source_component",
    "sourceHost": "source_host",
    "uid": "uid",
    "involvedObjectUID": "involved_uid",
    "fieldPath": "field_path",
    "action": "action",
    "reportingComponent": "reporting_component",
    "firstTimestamp": "first_timestamp",
    "lastTimestamp": "last_timestamp",
}
"""The keys of a line in the documented order, and the field behind each."""

_keys, _values = tuple(LINE), attrgetter(*LINE.values())


def line_of(fields: EventFields) -> str:
    """Return the line: compact JSON with keys in the documented order; a key without a value is left out."""
    return bytes_of_line(fields).decode()


def bytes_of_line(fields: EventFields) -> bytes:
    """Return the line as UTF-8."""
    pairs = zip(_keys, _values(fields), strict=True)
    return orjson.dumps({key: value for key, value in pairs if value != ""})


def fields_to_send(event: Mapping[str, Any]) -> EventFields:
    """Read *event*. The events.k8s.io API names an event's source in reportingComponent and reportingInstance."""
    fields = fields_of(event)
    fields.source_component = fields.source_component or fields.reporting_component
    if not fields.source_host:
        instance = event.get("reportingInstance")
        fields.source_host = instance if isinstance(instance, str) and fields.reporting_component == "kubelet" else ""
    return fields
