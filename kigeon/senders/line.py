"""What a reader sees of an event: the line, and the fields that become stream labels or structured metadata.

All of it is a function of the event and the configuration alone: an event that is pushed twice is pushed
byte-identical, and Loki drops the repeat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from kigeon.events.fields import EventFields, fields_of

MAX_LABEL_VALUE = 2048
"""Bytes of a label's value that Loki takes; what is longer is cut."""


def line_of(fields: EventFields) -> str:
    """Return the line: compact JSON, keys in the documented order, absent when the event has no such thing."""
    line: dict[str, str | int] = {
        "name": fields.name,
        "namespace": fields.namespace,
        "involvedObjectKind": fields.involved_kind,
        "involvedObjectName": fields.involved_name,
        "involvedObjectNamespace": fields.involved_namespace,
        "reason": fields.reason,
        "message": fields.message,
        "type": fields.type,
        "count": fields.count,
        "sourceComponent": fields.source_component,
        "sourceHost": fields.source_host,
        "uid": fields.uid,
        "involvedObjectUID": fields.involved_uid,
        "fieldPath": fields.field_path,
        "action": fields.action,
        "reportingComponent": fields.reporting_component,
        "firstTimestamp": fields.first_timestamp,
        "lastTimestamp": fields.last_timestamp,
    }
    return orjson.dumps({key: value for key, value in line.items() if value != ""}).decode()


LABELS: Mapping[str, str] = {
    "name": "name",
    "namespace": "namespace",
    "involved_object_kind": "involved_kind",
    "involved_object_name": "involved_name",
    "involved_object_namespace": "involved_namespace",
    "involved_object_uid": "involved_uid",
    "field_path": "field_path",
    "reason": "reason",
    "type": "type",
    "count": "count",
    "source_component": "source_component",
    "source_host": "source_host",
    "event_uid": "uid",
    "action": "action",
    "reporting_component": "reporting_component",
}
"""The names that eventLabels and structuredMetadata may use, and the field behind each."""


def labels_of(fields: EventFields, names: Sequence[str]) -> dict[str, str]:
    """Return the named fields as labels; one that the event does not have is left out."""
    labels = {}
    for name in names:
        value = getattr(fields, LABELS[name])
        if value != "":
            labels[name] = _cut(str(value))
    return labels


def _cut(value: str) -> str:
    # Loki takes the mark that stands for bytes that are no character for such bytes itself, and refuses the label.
    value = value.replace("\ufffd", "?")
    if len(value) * 4 <= MAX_LABEL_VALUE:
        return value
    return value.encode()[:MAX_LABEL_VALUE].decode(errors="ignore")


def fields_to_send(event: Mapping[str, Any]) -> EventFields:
    """Read *event*. One from the events.k8s.io API names its source in reportingComponent and reportingInstance."""
    fields = fields_of(event)
    fields.source_component = fields.source_component or fields.reporting_component
    if not fields.source_host:
        instance = event.get("reportingInstance")
        fields.source_host = instance if isinstance(instance, str) and fields.reporting_component == "kubelet" else ""
    return fields
