"""The sender type ``loki``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kigeon.finding import Finding
from kigeon.senders.delivery.sink import Sink
from kigeon.senders.inventory import Inventory
from kigeon.senders.loki.labels import SERVICE_LABELS, Labels
from kigeon.senders.loki.schema import KEYS, LokiConfig
from kigeon.senders.loki.settings import PROTOBUF, LokiSettings
from kigeon.senders.type import SenderType


def _sink(settings: LokiSettings) -> Sink:
    from kigeon.senders.loki.sink import LokiSink

    return LokiSink(settings)


def describe(loki: LokiSettings) -> list[str]:
    """Say where events go, and what their labels are."""
    tenant = f", tenant {loki.tenant_id}" if loki.tenant_id else ""
    auth = f", as {loki.basic_auth.username}" if loki.basic_auth else ""
    return [
        f"to        {loki.url}{tenant}{auth}",
        f"encoding  {loki.encoding}",
        f"labels    {', '.join(_labels(loki))}",
        f"metadata  {', '.join(_shown(loki.structured_metadata)) or 'none'}",
    ]


def _labels(loki: LokiSettings) -> list[str]:
    own = loki.stream_labels
    of_event = tuple(pair for pair in loki.event_labels if pair[0] not in own)
    service = ["service_name=kigeon"] if SERVICE_LABELS.isdisjoint([*own, *dict(of_event)]) else []
    return [*(f"{name}={value}" for name, value in own.items()), *service, *_shown(of_event)]


def _shown(labels: Labels) -> list[str]:
    return [name if name == field else f"{name} ({field})" for name, field in labels]


def modules(loki: LokiSettings) -> Sequence[str]:
    """Return the modules that a sink and its pushes import; a hook with another encoding imports the others later."""
    of_bodies = ("cramjam", "kigeon.senders.loki.push_messages") if loki.encoding == PROTOBUF else ()
    return ("kigeon.senders.loki.sink", *of_bodies)


def _check(settings: LokiSettings, event: Mapping[str, Any]) -> Iterable[Finding]:
    from kigeon.senders.loki.check import check_loki

    return check_loki(settings, event)


def keeps_namespaces_apart(loki: LokiSettings) -> bool:
    """Whether no stream holds events of two namespaces: order matters within a stream."""
    return any(field == "namespace" and name not in loki.stream_labels for name, field in loki.event_labels)


def _inventory(settings: LokiSettings) -> Inventory:
    from kigeon.senders.loki.inventory import LokiInventory

    return LokiInventory()


LOKI = SenderType(
    "loki",
    LokiConfig(KEYS),
    _sink,
    describe,
    modules=modules,
    check=_check,
    keeps_namespaces_apart=keeps_namespaces_apart,
    inventory=_inventory,
    example={"url": "http://loki:3100"},
)
