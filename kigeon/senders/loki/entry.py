"""The destination of pushes to Loki, and an event as an entry of a push."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from kigeon.senders.loki.settings import PROTOBUF


@dataclass(frozen=True, slots=True)
class LokiDestination:
    """Where a push goes; equal when all that matters for the push is equal. ``repr`` and label hold no secret."""

    url: str
    tenant_id: str | None = None
    username: str = ""
    password: str = field(default="", repr=False)
    authenticates: bool = False
    insecure_skip_verify: bool = False
    encoding: str = PROTOBUF

    @property
    def origin(self) -> str:
        """The URL: tenants of one Loki share its connections, and its outages."""
        return self.url

    @property
    def label(self) -> str:
        """Its name in logs, reports and the retry stream."""
        tenant = f" tenant {self.tenant_id}" if self.tenant_id else ""
        user = f" as {self.username}" if self.username else ""
        # Earlier versions knew only protobuf: its label names no encoding, so that their waiting events are found.
        encoding = "" if self.encoding == PROTOBUF else f" by {self.encoding}"
        return f"{self.url}{tenant}{user}{' unverified' if self.insecure_skip_verify else ''}{encoding}"


class LokiEntry(NamedTuple):
    """An event as it is pushed. ``timestamp`` is in nanoseconds; ``size`` is what it adds to a body, in bytes."""

    destination: LokiDestination
    stream: tuple[tuple[str, str], ...]
    timestamp: int
    line: str
    metadata: Mapping[str, str]
    size: int
