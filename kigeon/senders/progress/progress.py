"""Makes the ledger durable: saves that come together are one write, and a write is retried until it is stored."""

from __future__ import annotations

import asyncio

from kigeon.backoff import persistently
from kigeon.senders.ports import OutcomeStore, PositionRecord
from kigeon.senders.progress.ledger import Ledger
from kigeon.senders.progress.position import write_position


class Progress:
    """A ledger and the record of its position; notes of events that were not sent are stored before the position."""

    def __init__(self, ledger: Ledger, record: PositionRecord, outcomes: OutcomeStore) -> None:
        self.ledger = ledger
        self._record = record
        self._outcomes = outcomes
        self._lock = asyncio.Lock()
        self._asked = 0
        self._saved = 0
        self._written = write_position(ledger.position())

    async def save(self) -> None:
        """Return when a position with everything that the ledger holds at this moment is durable.

        Raises :class:`~kigeon.errors.Fenced` when another kigeon owns the position.
        """
        self._asked += 1
        ticket = self._asked
        async with self._lock:
            if self._saved >= ticket:
                return
            covers, complete_from = self._asked, self.ledger.notes.explained
            otherwise = self.ledger.notes.take(self.ledger.envelopes.next_offset)
            position = write_position(self.ledger.position())
            if otherwise:
                await persistently(
                    "storing why events were not sent", lambda: self._outcomes.write(otherwise, complete_from)
                )
            if position != self._written:
                await persistently("writing the position", lambda: self._record.write(position))
                self._written = position
            self._saved = covers
