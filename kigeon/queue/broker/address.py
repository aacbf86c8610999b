"""Where JetStream is reached."""

from __future__ import annotations

from dataclasses import dataclass, field

from kigeon.config.settings import ExternalQueue
from kigeon.queue.broker.names import StreamNames


@dataclass(frozen=True, slots=True)
class QueueAddress:
    """Where JetStream listens, how to log in there, and which of its streams are kigeon's.

    ``token`` is what the embedded server asks for. ``external`` is the JetStream that ``queue.url`` names, None for the
    embedded server.
    """

    url: str
    token: str = field(default="", repr=False)
    external: ExternalQueue | None = None

    @property
    def servers(self) -> list[str]:
        """The servers to connect to: each of them knows all streams."""
        return self.url.split(",")

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
