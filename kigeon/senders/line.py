"""Makes the line that a reader sees of an event.

A line depends only on the event and the configuration: an event that is pushed twice has the same bytes twice, so that
a destination can drop the repeat.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from kigeon.events.fields import EventFields, fields_of
from kigeon.events.reading import read_fields

LINE: Mapping[str, str] = {field.encode_name: field.name for field in msgspec.structs.fields(EventFields)}
"""The keys of a line in the documented order, and the field behind each."""

_encode = msgspec.json.Encoder().encode


def line_of(fields: EventFields) -> str:
    """Return the line: compact JSON with keys in the documented order; a key without a value is left out."""
    return bytes_of_line(fields).decode()


def bytes_of_line(fields: EventFields) -> bytes:
    """Return the line as UTF-8."""
    return _encode(fields)


def fields_to_send(event: Mapping[str, Any]) -> EventFields:
    """Read *event*. The events.k8s.io API names an event's source in reportingComponent and reportingInstance."""
    instance = event.get("reportingInstance")
    return _with_source(fields_of(event), instance if isinstance(instance, str) else "")


def read_to_send(line: bytes) -> tuple[EventFields, int] | None:
    """Return the fields as :func:`fields_to_send` does, and the time, of an event in JSON; None where it is unusual."""
    read = read_fields(line)
    if read is None:
        return None
    fields, instance, time = read
    return _with_source(fields, instance), time


def _with_source(fields: EventFields, instance: str) -> EventFields:
    fields.source_component = fields.source_component or fields.reporting_component
    if not fields.source_host and fields.reporting_component == "kubelet":
        fields.source_host = instance
    return fields
