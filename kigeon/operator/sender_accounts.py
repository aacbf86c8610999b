"""Reads a sender's accounts from the queue: how many events ended in which way, and how many wait."""

from __future__ import annotations

import time
from array import array
from collections.abc import Mapping
from dataclasses import dataclass

from nats.aio.client import Client

from kigeon.errors import UnreadablePosition
from kigeon.operator.answer import Answer
from kigeon.queue.broker.streams import POSITION_KEY
from kigeon.queue.log.protocol import LogEnd
from kigeon.queue.stores.retry import RetryStore
from kigeon.queue.stores.state import StateRecord
from kigeon.senders.progress.envelope import Position
from kigeon.senders.progress.outcome import Outcome
from kigeon.senders.progress.position import read_position

RECOUNT_TIMEOUT = 1.0
"""Seconds within which the waiting events are counted again where the sender has gone on meanwhile."""


@dataclass(frozen=True, slots=True)
class SenderAccounts:
    """A position, and how many events wait in the retry stream. ``problem``: why the position can't be read."""

    position: Position
    retrying: int = 0
    problem: str = ""

    def accounts(self, log_end: LogEnd) -> Mapping[str, int | str]:
        """Return how many events were stored for this sender, and what became of them; ``unaccounted`` should be 0."""
        position = self.position
        if self.problem:
            position = Position(next_offset=log_end.next_offset, first_offset=1)
        first = position.first_offset or log_end.next_offset
        waiting = log_end.next_offset - (position.next_offset or log_end.next_offset)
        waiting += sum(page.open_count for page in position.open) + self.retrying
        counts = {str(outcome): position.counts.get(outcome, 0) for outcome in Outcome}
        stored = log_end.next_offset - first
        return {
            "stored": stored,
            **counts,
            "waiting": waiting,
            "resent": position.resent,
            "unaccounted": stored - waiting - sum(counts.values()),
            **({"problem": self.problem} if self.problem else {}),
        }


async def read_sender_accounts(client: Client, sender: str, answer: Answer) -> SenderAccounts:
    """Read a sender's accounts, holding of the waiting events only their number. Raises :class:`QueueError`.

    Position and retry stream are read at one moment, if the sender writes nothing during a count within
    :data:`RECOUNT_TIMEOUT`. Otherwise the position itself says how many events wait in the retry stream.
    """
    deadline = time.monotonic() + RECOUNT_TIMEOUT
    while True:
        record = StateRecord(client, f"{POSITION_KEY}.{sender}")
        position, problem = read(await record.read())
        retrying = 0 if problem else await _waiting(client, sender, position, answer)
        if await record.is_current():
            return SenderAccounts(position, retrying, problem)
        if time.monotonic() > deadline:
            return SenderAccounts(position, _booked(position), problem)


def read(record: bytes | None) -> tuple[Position, str]:
    """Return the position in *record*, and why it can't be read, "" where it can."""
    try:
        return read_position(record), ""
    except UnreadablePosition as error:
        return Position(), str(error)


async def _waiting(client: Client, sender: str, position: Position, answer: Answer) -> int:
    """Return how many events in the retry stream are booked as moved there and have not ended."""
    waiting = 0
    async for message in RetryStore(client, sender).booked(position.retry_sequence):
        ended = position.retry.get(message.sequence, 0) & (1 << len(message.offsets)) - 1
        waiting += len(message.offsets) - ended.bit_count()
        await answer.progress(f"{sender}: counting what waits", waiting)
    return waiting


def _booked(position: Position) -> int:
    """Return how many events the *position* itself says to be in the retry stream."""
    elsewhere = sum(page.open_count for page in position.open) + sum(position.counts.values())
    return max(position.next_offset - position.first_offset - elsewhere, 0)


def open_offsets(position: Position) -> array[int]:
    """Return the offsets of events that are being sent, sorted."""
    return array("Q", sorted(page.offset(index) for page in position.open for index in page.open_indexes()))
