"""Where JetStream is reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from kigeon.config.settings import ExternalQueue
from kigeon.queue.broker.names import StreamNames


@dataclass(frozen=True, slots=True)
class QueueAddress:
    """Where JetStream listens, how to log in there, and which of its streams are kigeon's.

    ``token`` is what the embedded server asks for. ``external`` is the JetStream that ``queue.url`` names, None for the
    embedded server. ``preferred`` is the host and port of a server that was well just now: it is tried first.
    """

    url: str
    token: str = field(default="", repr=False)
    external: ExternalQueue | None = None
    preferred: str = ""

    @property
    def servers(self) -> list[str]:
        """The servers to connect to: each of them knows all streams."""
        return self.url.split(",")

    def in_order(self, shuffle: Callable[[list[str]], None]) -> list[str]:
        """Return the servers in the order in which they are to be tried: in none, but for the preferred one."""
        servers = self.servers
        shuffle(servers)
        return sorted(servers, key=lambda url: urlsplit(url).netloc != self.preferred)

    @property
    def names(self) -> StreamNames:
        """What the streams are called."""
        return StreamNames(self.external.name) if self.external is not None else StreamNames()

    @property
    def replicas(self) -> int:
        """How many servers hold each stream."""
        return self.external.replicas if self.external is not None else 1


def external_address(external: ExternalQueue) -> QueueAddress:
    """Return the address of an external JetStream."""
    return QueueAddress(",".join(external.servers), external=external)
