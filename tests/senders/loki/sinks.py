"""A sink to Loki, and the line that it makes."""

from typing import Any

from kigeon.senders.loki.settings import LokiSettings
from kigeon.senders.loki.sink import LokiSink

ORDER = [
    "name", "namespace", "involvedObjectKind", "involvedObjectName", "involvedObjectNamespace", "reason", "message",
    "type", "count", "sourceComponent", "sourceHost", "uid", "involvedObjectUID", "fieldPath", "action",
    "reportingComponent", "firstTimestamp", "lastTimestamp",
]  # fmt: skip


def sink(**settings: Any) -> LokiSink:
    return LokiSink(LokiSettings("http://loki", **settings))
