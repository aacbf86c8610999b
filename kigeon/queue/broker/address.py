"""Where JetStream is reached."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class QueueAddress:
    """Where JetStream listens, and the token that it asks for."""

    url: str
    token: str = field(repr=False)
