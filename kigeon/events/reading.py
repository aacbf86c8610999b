"""Reads of an Event's JSON no more than its fields and its time, where nobody needs the rest.

The result is that of reading the whole event (:func:`~kigeon.events.fields.fields_of`,
:func:`~kigeon.events.occurrence.timestamp_of`). What is of another type than Kubernetes' own is left to that way.
"""

from __future__ import annotations

import msgspec

from kigeon.events.fields import EventFields, count_of
from kigeon.events.occurrence import latest_of

Text = str | None


class _Metadata(msgspec.Struct, gc=False):
    name: Text = None
    namespace: Text = None
    uid: Text = None
    creationTimestamp: Text = None  # noqa: N815 - Kubernetes' names


class _Involved(msgspec.Struct, gc=False):
    kind: Text = None
    name: Text = None
    namespace: Text = None
    uid: Text = None
    fieldPath: Text = None  # noqa: N815


class _Source(msgspec.Struct, gc=False):
    component: Text = None
    host: Text = None


class _Series(msgspec.Struct, gc=False):
    count: int | None = None
    lastObservedTime: Text = None  # noqa: N815


class _Event(msgspec.Struct, gc=False):
    metadata: _Metadata | None = None
    involvedObject: _Involved | None = None  # noqa: N815
    source: _Source | None = None
    series: _Series | None = None
    reason: Text = None
    message: Text = None
    type: Text = None
    count: int | None = None
    action: Text = None
    reportingComponent: Text = None  # noqa: N815
    reportingInstance: Text = None  # noqa: N815
    firstTimestamp: Text = None  # noqa: N815
    lastTimestamp: Text = None  # noqa: N815
    eventTime: Text = None  # noqa: N815


_decode = msgspec.json.Decoder(_Event).decode
_NO_METADATA, _NO_INVOLVED, _NO_SOURCE, _NO_SERIES = _Metadata(), _Involved(), _Source(), _Series()


def read_fields(line: bytes) -> tuple[EventFields, str, int] | None:
    """Return an event's fields, its reportingInstance ("" for none) and its time in nanoseconds since the epoch.

    None where *line* has to be read whole: it is no JSON, or something in it is of another type than Kubernetes' own.
    """
    try:
        event = _decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    metadata, involved = event.metadata or _NO_METADATA, event.involvedObject or _NO_INVOLVED
    source, series = event.source or _NO_SOURCE, event.series or _NO_SERIES
    last, first = event.lastTimestamp, event.firstTimestamp
    fields = EventFields(
        metadata.name or "",
        metadata.namespace or "",
        involved.kind or "",
        involved.name or "",
        involved.namespace or "",
        event.reason or "",
        event.message or "",
        event.type or "",
        count_of(event.count, series.count),
        source.component or "",
        source.host or "",
        metadata.uid or "",
        involved.uid or "",
        involved.fieldPath or "",
        event.action or "",
        event.reportingComponent or "",
        first or "",
        last or "",
    )
    time = latest_of(last, first, event.eventTime, series.lastObservedTime, metadata.creationTimestamp)
    return fields, event.reportingInstance or "", time
