"""What a sender's engine needs of the queue, as protocols: the rooms do not know one another.

Every coroutine may raise :class:`~kigeon.errors.QueueError` while the queue is away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class StoredEnvelope(Protocol):
    """A message of the events stream; ``timestamp`` is when it was stored, in seconds since the epoch."""

    @property
    def sequence(self) -> int: ...
    @property
    def timestamp(self) -> float: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def payload(self) -> bytes: ...


class WaitingMessage(Protocol):
    """A message of the retry stream, without its events."""

    @property
    def sequence(self) -> int: ...
    @property
    def key(self) -> str: ...
    @property
    def numbers(self) -> tuple[int, ...]: ...
    @property
    def stored_at(self) -> float: ...


class EventLog(Protocol):
    """The events stream, read in order from any sequence."""

    async def seek(self, sequence: int) -> None: ...
    async def next(self, most: int = 8) -> Sequence[StoredEnvelope]: ...
    async def last_sequence(self) -> int: ...


class PositionRecord(Protocol):
    """The sender's durable position. ``write`` raises :class:`~kigeon.errors.Fenced` when another owner wrote it."""

    async def read(self) -> bytes | None: ...
    async def write(self, value: bytes) -> None: ...


class RetryStore(Protocol):
    """The sender's part of the retry stream."""

    async def put(self, key: str, events: Sequence[bytes], numbers: Sequence[int], stored_at: float) -> int: ...
    async def waiting(self, after: int = 0) -> Sequence[WaitingMessage]: ...
    async def load(self, sequence: int) -> list[bytes]: ...
    async def delete(self, sequence: int) -> None: ...


class DeadLetterStore(Protocol):
    """The sender's part of the dead-letter stream."""

    async def park(self, number: int, sequence: int, event: bytes, reason: str) -> None: ...
    async def park_envelope(self, sequence: int, payload: bytes, reason: str) -> None: ...
