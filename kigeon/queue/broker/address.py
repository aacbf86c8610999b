"""The address of the JetStream that kigeon uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from kigeon.config.settings import ExternalQueue
from kigeon.queue.broker.names import StreamNames


@dataclass(frozen=True, slots=True)
class QueueAddress:
    """Where JetStream listens, how kigeon logs in there, and which streams are kigeon's.

    ``token`` is the password of the embedded server. ``external`` is the JetStream that ``queue.url`` names, None for
    the embedded server. ``preferred`` is the host and port of a server that was well just now, which is tried first.
    """

    url: str
    token: str = field(default="", repr=False)
    external: ExternalQueue | None = None
    preferred: str = ""

    @property
    def servers(self) -> list[str]:
        """The URLs of the servers to connect to, each of which knows all streams."""
        return self.url.split(",")

    def in_order(self, shuffle: Callable[[list[str]], None]) -> list[str]:
        """Return the servers in the order in which they are to be tried: in none, but for the preferred one."""
        servers = self.servers
        shuffle(servers)
        return sorted(servers, key=lambda url: urlsplit(url).netloc != self.preferred)

    @property
    def names(self) -> StreamNames:
        """The names of the streams."""
        return StreamNames(self.external.name) if self.external is not None else StreamNames()

    @property
    def replicas(self) -> int:
        """The number of servers that hold each stream."""
        return self.external.replicas if self.external is not None else 1


def external_address(external: ExternalQueue) -> QueueAddress:
    """Return the address of an external JetStream."""
    return QueueAddress(",".join(external.servers), external=external)
