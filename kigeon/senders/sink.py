"""What a type of sender has to offer: how an event becomes an entry, how entries are pushed, what answers mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from kigeon.config.settings import LokiSettings

if TYPE_CHECKING:
    from kigeon.senders.delivery.planner import PushPlanner


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
    back; ``refusals`` is what the text says in detail, for the sender type's own planner.
    """

    status: PushStatus
    reason: str = ""
    retry_after: float | None = None
    cure: str = ""
    answered: bool = True
    refusals: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a push goes: equal when everything that matters for it is equal. ``repr`` and label hold no secret."""

    url: str
    tenant_id: str | None = None
    username: str = ""
    password: str = field(default="", repr=False)
    authenticates: bool = False
    insecure_skip_verify: bool = False

    @property
    def label(self) -> str:
        """Its name in logs, reports and the retry stream."""
        tenant = f" tenant {self.tenant_id}" if self.tenant_id else ""
        user = f" as {self.username}" if self.username else ""
        return f"{self.url}{tenant}{user}{' unverified' if self.insecure_skip_verify else ''}"


class Entry(NamedTuple):
    """An event as it is pushed. ``timestamp`` is in nanoseconds; ``size`` is what it adds to a body, in bytes."""

    destination: Destination
    stream: tuple[tuple[str, str], ...]
    timestamp: int
    line: str
    metadata: Mapping[str, str]
    size: int


class Sink(Protocol):
    """A type of sender. ``entry`` is pure; ``push`` blocks, raises nothing, and may run in several threads at once."""

    def entry(self, event: Mapping[str, Any], settings: LokiSettings | None) -> Entry:
        """Return what to push of *event*; *settings* None means the sender's own. Never raises."""

    def planner(self, destination: Destination) -> PushPlanner:
        """Return what decides what is pushed together to *destination*, and what the answers mean."""

    def push(self, destination: Destination, entries: Sequence[Entry]) -> Answer:
        """Push *entries*, all of them of *destination*."""

    def close(self) -> None:
        """Let go of connections."""
