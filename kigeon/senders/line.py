"""What a reader sees of an event: the line, and the fields that become stream labels or structured metadata.

All of it is a function of the event and the configuration alone: an event that is pushed twice is pushed
byte-identical, and Loki drops the repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import orjson

from kigeon.config.labels import FIELDS, Labels
from kigeon.events.fields import EventFields, fields_of

MAX_LABEL_VALUE = 2048
"""Bytes of a label's value that Loki takes; what is longer is cut."""


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
    """Return the line: compact JSON, keys in the documented order, absent when the event has no such thing."""
    return bytes_of_line(fields).decode()


def bytes_of_line(fields: EventFields) -> bytes:
    """Return the line as UTF-8."""
    pairs = zip(_keys, _values(fields), strict=True)
    return orjson.dumps({key: value for key, value in pairs if value != ""})


LabelValues = tuple[str | int, ...]
"""What an event has for some labels; "" where it has nothing."""


def label_reader(labels: Labels) -> Callable[[EventFields], LabelValues]:
    """Return what reads the values of *labels*, in their order."""
    attributes = [FIELDS[field] for _, field in labels]
    if len(attributes) > 1:
        return attrgetter(*attributes)
    return lambda fields: tuple(getattr(fields, attribute) for attribute in attributes)


def labels_of(names: Sequence[str], values: LabelValues) -> dict[str, str]:
    """Return *names* and the *values* of an event as labels; one that the event does not have is left out."""
    return {
        # Almost all are short and ASCII: a call for each of them would take as long as all the rest.
        name: value if type(value) is str and len(value) <= MAX_LABEL_VALUE and value.isascii() else _cut(str(value))
        for name, value in zip(names, values, strict=True)
        if value != ""
    }


def _cut(value: str) -> str:
    if len(value) <= MAX_LABEL_VALUE and value.isascii():
        return value
    # Loki takes the mark that stands for bytes that are no character for such bytes itself, and refuses the label.
    return value.replace("\ufffd", "?").encode()[:MAX_LABEL_VALUE].decode(errors="ignore")


def fields_to_send(event: Mapping[str, Any]) -> EventFields:
    """Read *event*. One from the events.k8s.io API names its source in reportingComponent and reportingInstance."""
    fields = fields_of(event)
    fields.source_component = fields.source_component or fields.reporting_component
    if not fields.source_host:
        instance = event.get("reportingInstance")
        fields.source_host = instance if isinstance(instance, str) and fields.reporting_component == "kubelet" else ""
    return fields
