"""What the cluster's events are counted by: type, reason, and namespace where that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from kigeon.events.fields import namespace_of, text

OTHER = "other"
"""Stands for each type, reason or namespace that is not counted on its own."""

TYPES = frozenset({"Normal", "Warning"})

MAX_KINDS = 10_000
LONGEST = 128
"""Characters of a reason or namespace that are kept. Kubernetes allows no more in its newer Events."""


class EventKind(NamedTuple):
    """``namespace`` is "" where it is not asked for, or there is none."""

    type: str
    reason: str
    namespace: str = ""


UNKNOWN = EventKind(OTHER, "")


class EventKinds:
    """Reads kinds of events. Equal kinds are one object, so that a message that holds many of them is small."""

    def __init__(self, with_namespace: bool = False) -> None:
        self._with_namespace = with_namespace
        self._known: dict[tuple[str, str, str], EventKind] = {}

    def of(self, event: Mapping[str, Any]) -> EventKind:
        """Return the kind of *event*; never raises."""
        if not self._with_namespace and (known := self._known_as(event.get("type"), event.get("reason"))):
            return known
        told = text(event, "type")
        namespace = (namespace_of(event) or "") if self._with_namespace else ""
        kind = EventKind(told if told in TYPES else OTHER, text(event, "reason")[:LONGEST], namespace[:LONGEST])
        if len(self._known) >= MAX_KINDS:
            self._known.clear()
        return self._known.setdefault(kind, kind)

    def _known_as(self, told: Any, reason: Any) -> EventKind | None:
        """Return the kind if it was met before and the event writes it as nearly all events do; else None."""
        return self._known.get((told, reason, "")) if told.__class__ is reason.__class__ is str else None
