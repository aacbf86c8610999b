"""The settings of a Loki sender. They can be pickled: settings travel to the actors in messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kigeon.senders.loki.labels import DEFAULT_EVENT_LABELS, DEFAULT_STRUCTURED_METADATA, Labels

PROTOBUF, JSON = ENCODINGS = ("protobuf", "json")
"""How a push is encoded: protobuf with snappy, or JSON with gzip."""


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """Credentials for Loki. A ``repr`` never shows the password."""

    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class LokiSettings:
    """One way to push to Loki: the sender's own ``config``, or what a hook returned for an event.

    ``event_labels`` and ``structured_metadata`` are pairs of a name and the event's field (snake_case) that becomes
    a stream label, or structured metadata, of that name. ``encoding`` is one of :data:`ENCODINGS`.
    """

    url: str
    tenant_id: str | None = None
    stream_labels: Mapping[str, str] = field(default_factory=dict)
    basic_auth: BasicAuth | None = None
    insecure_skip_verify: bool = False
    event_labels: Labels = DEFAULT_EVENT_LABELS
    structured_metadata: Labels = DEFAULT_STRUCTURED_METADATA
    encoding: str = PROTOBUF
