"""What is pushed, where to, and what an answer means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple


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
