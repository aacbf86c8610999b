"""Entries that are pushed, their destinations, and answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol


class PushStatus(Enum):
    """What an answer means for the entries of a push."""

    DELIVERED = "stored"
    RETRY = "the destination is away, the push is tried again later"
    HOLD = "the destination takes nothing until an operator acts, the push is tried again later"
    SPLIT = "the push is too large, its halves are tried"
    INVALID = "some entries are refused for good, the others were stored"
    STREAM = "one stream of the push is refused"


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict, the destination's words, and the seconds after which it wants to be asked again.

    ``cure`` is what an operator can do about it, where that is known; ``answered`` is false where no answer came;
    ``refusals`` are details of the text, for the sender type's own planner. ``generation`` grows with each lost
    connection: the server may have been restarted since. ``concerns_all`` says that any destination of the origin would
    be answered the same.
    """

    status: PushStatus
    reason: str = ""
    retry_after: float | None = None
    cure: str = ""
    answered: bool = True
    refusals: tuple[Any, ...] = ()
    generation: int = 0
    concerns_all: bool = False


class Destination(Protocol):
    """Where a push goes: hashable, and equal when everything that matters is equal; its ``repr`` has no secret."""

    @property
    def label(self) -> str:
        """Its name in logs, reports and the retry stream; no secret is in it."""

    @property
    def origin(self) -> str:
        """The server's name: destinations with the same origin hang together."""


class Entry(Protocol):
    """An event as it is pushed, with what the core needs of it; a type of sender adds its own."""

    @property
    def destination(self) -> Any:
        """Where it goes, a :class:`Destination`."""

    @property
    def timestamp(self) -> int:
        """When the event happened, in nanoseconds since the epoch."""

    @property
    def size(self) -> int:
        """The bytes that it adds to a push."""
