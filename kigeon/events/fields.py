"""The fields of a core/v1 Event that kigeon reads, whatever shape they are in.

Kubernetes validates little of an Event and clients write what they like, so nothing here raises: a scalar
of the wrong type becomes its text, anything else counts as absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import field

NAMESPACED_KINDS = frozenset(
    {
        "ConfigMap", "CronJob", "DaemonSet", "Deployment", "EndpointSlice", "Endpoints", "HorizontalPodAutoscaler",
        "Ingress", "Job", "Lease", "LimitRange", "NetworkPolicy", "PersistentVolumeClaim", "Pod",
        "PodDisruptionBudget", "PodTemplate", "ReplicaSet", "ReplicationController", "ResourceQuota", "Role",
        "RoleBinding", "Secret", "Service", "ServiceAccount", "StatefulSet",
    }
)  # fmt: skip
"""Kinds that always live in a namespace: where an Event names no namespace for one, it is the Event's own."""

CLUSTER_EVENT_NAMESPACES = frozenset({"", "default", "kube-system"})
"""Where Kubernetes allows an Event whose involved object has no namespace (its validation of Events)."""

_LEVELS: Mapping[str, str] = {"Normal": "info", "Warning": "warn"}
_NOTHING: Mapping[str, Any] = {}


class EventFields(msgspec.Struct, omit_defaults=True, gc=False):
    """What a log line tells of an Event, in the line's order and under its keys; every text may be ``""``."""

    name: str = ""
    namespace: str = ""
    involved_kind: str = field(default="", name="involvedObjectKind")
    involved_name: str = field(default="", name="involvedObjectName")
    involved_namespace: str = field(default="", name="involvedObjectNamespace")
    reason: str = ""
    message: str = ""
    type: str = ""
    count: int = 0
    """The larger of count and series.count, at least 1."""
    source_component: str = field(default="", name="sourceComponent")
    source_host: str = field(default="", name="sourceHost")
    uid: str = ""
    involved_uid: str = field(default="", name="involvedObjectUID")
    field_path: str = field(default="", name="fieldPath")
    action: str = ""
    reporting_component: str = field(default="", name="reportingComponent")
    first_timestamp: str = field(default="", name="firstTimestamp")
    last_timestamp: str = field(default="", name="lastTimestamp")

    @property
    def level(self) -> str:
        """The severity in Loki's words; "" for a type other than Kubernetes' two, and Loki guesses from the line."""
        return _LEVELS.get(self.type, "")


def fields_of(event: Mapping[str, Any]) -> EventFields:
    """Read *event*; never raises."""
    metadata = mapping(event, "metadata")
    involved = mapping(event, "involvedObject")
    source = mapping(event, "source")
    return EventFields(
        text(metadata, "name"),
        text(metadata, "namespace"),
        text(involved, "kind"),
        text(involved, "name"),
        text(involved, "namespace"),
        text(event, "reason"),
        text(event, "message"),
        text(event, "type"),
        count_of(event.get("count"), mapping(event, "series").get("count")),
        text(source, "component"),
        text(source, "host"),
        text(metadata, "uid"),
        text(involved, "uid"),
        text(involved, "fieldPath"),
        text(event, "action"),
        text(event, "reportingComponent"),
        text(event, "firstTimestamp"),
        text(event, "lastTimestamp"),
    )


def count_of(count: Any, in_series: Any) -> int:
    """Return the larger of both counts, at least 1."""
    return max(integer(count) or 0, integer(in_series) or 0, 1)


def namespace_of(event: Mapping[str, Any]) -> str | None:
    """Return the namespace that an event belongs to, None for an event about a cluster-scoped object.

    That is the involved object's namespace. Where it names none, the object is cluster-scoped if Kubernetes
    would accept the Event as one about such an object; otherwise the Event's own namespace is meant.
    """
    involved = mapping(event, "involvedObject")
    namespace = text(involved, "namespace")
    if namespace:
        return namespace
    own = text(mapping(event, "metadata"), "namespace")
    if own and (text(involved, "kind") in NAMESPACED_KINDS or own not in CLUSTER_EVENT_NAMESPACES):
        return own
    return None


def mapping(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the object under *key*, an empty one where there is none."""
    value = parent.get(key)
    return value if isinstance(value, dict) else _NOTHING


def text(parent: Mapping[str, Any], key: str) -> str:
    """Return the text under *key*: a scalar's own text, ``""`` for anything else."""
    value = parent.get(key)
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else ""


def integer(value: Any) -> int | None:
    """Return *value* as an integer of at most 18 digits where it is one, or is the text of one; else None."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return int(value) if abs(value) < 10**18 else None
    return None
