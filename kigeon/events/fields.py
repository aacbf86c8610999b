"""The fields of a core/v1 Event that kigeon reads, whatever shape they are in.

Kubernetes validates little of an Event and clients write what they like, so nothing here raises: a scalar
of the wrong type becomes its text, anything else counts as absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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


@dataclass(slots=True)
class EventFields:
    """What a log line tells of an Event; every text is ``""`` when the Event has no such thing."""

    name: str
    namespace: str
    involved_kind: str
    involved_name: str
    involved_namespace: str
    involved_uid: str
    field_path: str
    reason: str
    message: str
    type: str
    count: int
    """The larger of count and series.count, at least 1."""
    source_component: str
    source_host: str
    uid: str
    action: str
    reporting_component: str
    first_timestamp: str
    last_timestamp: str

    @property
    def level(self) -> str:
        """The severity in Loki's words; "" for a type other than Kubernetes' two, and Loki guesses from the line."""
        return _LEVELS.get(self.type, "")


def fields_of(event: Mapping[str, Any]) -> EventFields:
    """Read *event*; never raises."""
    metadata = mapping(event, "metadata")
    involved = mapping(event, "involvedObject")
    source = mapping(event, "source")
    count = max(integer(event.get("count")) or 0, integer(mapping(event, "series").get("count")) or 0, 1)
    return EventFields(
        text(metadata, "name"),
        text(metadata, "namespace"),
        text(involved, "kind"),
        text(involved, "name"),
        text(involved, "namespace"),
        text(involved, "uid"),
        text(involved, "fieldPath"),
        text(event, "reason"),
        text(event, "message"),
        text(event, "type"),
        count,
        text(source, "component"),
        text(source, "host"),
        text(metadata, "uid"),
        text(event, "action"),
        text(event, "reportingComponent"),
        text(event, "firstTimestamp"),
        text(event, "lastTimestamp"),
    )


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
