"""Which fields of an event may be labels or structured metadata, and which names and tenants Loki takes.

Limits are Loki's defaults (its ``pkg/validation``); what breaks them here, Loki would refuse in every line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter

from kigeon.events.fields import EventFields

Labels = tuple[tuple[str, str], ...]
"""Pairs of a label's name and a field of :data:`FIELDS`."""

FIELDS: Mapping[str, str] = {
    "name": "name",
    "namespace": "namespace",
    "level": "level",
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
"""What eventLabels and structuredMetadata may name, and the attribute of an event's fields behind each."""


def named_alike(*fields: str) -> Labels:
    """Return labels with the names of their fields."""
    return tuple((field, field) for field in fields)


DEFAULT_EVENT_LABELS = named_alike("namespace", "type")
DEFAULT_STRUCTURED_METADATA = named_alike(
    "level", "involved_object_kind", "involved_object_name", "reason", "source_component", "source_host", "event_uid"
)

SERVICE_NAME = "service_name"
SERVICE_LABELS = frozenset(
    {
        SERVICE_NAME, "service", "app", "application", "app_name", "name", "app_kubernetes_io_name", "container",
        "container_name", "k8s_container_name", "component", "workload", "job", "k8s_job_name",
    }
)  # fmt: skip
"""Labels from which Loki learns a stream's service (``discover_service_name``); without one it is unknown_service."""

LATE = "late"
"""The label of a stream for lines that come too late for their own."""

MAX_LABELS = 15
"""Labels of a stream that Loki takes (``max_label_names_per_series``).

Loki does not count service_name (3.0 did); one label is kept free for :data:`LATE`.
"""

MAX_METADATA = 128
"""Entries of a line's structured metadata that Loki takes (``max_structured_metadata_entries_count``)."""

MAX_LABEL_VALUE = 2048
"""Bytes of a label's value that Loki takes; longer values are cut."""

MAX_TENANT = 150
"""Characters of a tenant ID."""

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,1023}")
_TENANT = re.compile(r"[a-zA-Z0-9!_.*'()-]+")


def wrong_with_stream_label(name: str) -> str:
    """Say why no stream label can be called *name*; "" where one can."""
    return "is the label of lines that come late" if name == LATE else _wrong_with(name, "a stream label")


def wrong_with_metadata(name: str) -> str:
    """Say why no structured metadata can be called *name*; "" where some can."""
    return _wrong_with(name, "structured metadata")


def _wrong_with(name: str, what: str) -> str:
    if not _NAME.fullmatch(name):
        return f"is no name of {what}"
    return "begins with __, as Loki's own labels do" if name.startswith("__") else ""


def wrong_together(own: Iterable[str], event_labels: Labels, metadata: Labels) -> Iterator[tuple[str, str, str]]:
    """Yield the key that has too much for Loki, why, and what would be right; *own* are the names of streamLabels."""
    labels = {*own, *dict(event_labels)} - {SERVICE_NAME}
    if len(labels) >= MAX_LABELS:
        # The problem belongs to the key that the file sets.
        key, other = sorted(("eventLabels", "streamLabels"), reverse=event_labels == DEFAULT_EVENT_LABELS)
        message = f"make {len(labels)} stream labels with {other}: Loki takes {MAX_LABELS}, `{LATE}` among them"
        yield key, message, "let some be structuredMetadata"
    if len(metadata) > MAX_METADATA:
        yield "structuredMetadata", f"are {len(metadata)}: Loki takes {MAX_METADATA} of a line", ""


def wrong_with_tenant(tenant: str) -> tuple[str, str]:
    """Say why Loki takes no push for *tenant*, and what would be right; "" twice where it takes it."""
    if "|" in tenant:
        return "names several tenants, and a push is for one", "a sender for each, or a hook that chooses one"
    if not _TENANT.fullmatch(tenant):
        return "must consist of letters, digits and !-_.*'() as Loki's tenants do", ""
    if len(tenant) > MAX_TENANT:
        return f"must have at most {MAX_TENANT} characters", ""
    return ("must not be `.` or `..`", "") if tenant in (".", "..") else ("", "")


LabelValues = tuple[str | int, ...]
"""What an event has for some labels; "" where it has nothing."""


def label_reader(labels: Labels) -> Callable[[EventFields], LabelValues]:
    """Return a function that reads the values of *labels*, in their order."""
    attributes = [FIELDS[field] for _, field in labels]
    if len(attributes) > 1:
        return attrgetter(*attributes)
    return lambda fields: tuple(getattr(fields, attribute) for attribute in attributes)


def labels_of(names: Sequence[str], values: LabelValues) -> dict[str, str]:
    """Return *names* and the *values* of an event as labels; labels without a value are left out."""
    return {
        # Almost all values are short and ASCII: a call for each would take as long as the rest of the work.
        name: value if type(value) is str and len(value) <= MAX_LABEL_VALUE and value.isascii() else _cut(str(value))
        for name, value in zip(names, values, strict=True)
        if value != ""
    }


def _cut(value: str) -> str:
    if len(value) <= MAX_LABEL_VALUE and value.isascii():
        return value
    # Loki takes U+FFFD, the replacement character, for invalid UTF-8, and refuses the label.
    return value.replace("\ufffd", "?").encode()[:MAX_LABEL_VALUE].decode(errors="ignore")
