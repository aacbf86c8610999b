"""What is pushed, where to, and what an answer means."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol


class PushStatus(Enum):
    """What an answer means for the entries of a push."""

    DELIVERED = "stored"
    RETRY = "the destination is away: again later"
    HOLD = "nothing is taken until an operator acts: again later, said loudly"
    SPLIT = "too large: in halves"
    INVALID = "some of it is refused for good, the rest was stored"
    STREAM = "one stream of it is refused"


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict, what the destination said, and after how many seconds it wants to be asked again.

    ``cure`` is what an operator can do about it, where that is known; ``answered`` is false where nothing came
    back; ``refusals`` is what the text says in detail, and ``heard`` what the connection says of who answered, for the
    sender type's own planner.
    """

    status: PushStatus
    reason: str = ""
    retry_after: float | None = None
    cure: str = ""
    answered: bool = True
    refusals: tuple[Any, ...] = ()
    heard: Any = field(default=None, compare=False)


class Destination(Protocol):
    """Where a push goes: hashable, and equal when everything that matters is equal; its ``repr`` has no secret."""

    @property
    def label(self) -> str:
        """Its name in logs, reports and the retry stream; no secret is in it."""

    @property
    def origin(self) -> str:
        """What destinations share that are answered by the same server; when it hangs, all of them do."""


class Entry(Protocol):
    """An event as it is pushed; all that its type of sender needs of it, and what the core does."""

    @property
    def destination(self) -> Any:
        """Where it goes, a :class:`Destination`."""

    @property
    def timestamp(self) -> int:
        """When the event happened, in nanoseconds since the epoch."""

    @property
    def size(self) -> int:
        """What it adds to a push, in bytes."""
