"""The rates of the last seconds, and the last day in slots. Pure; bounded in memory.

The history covers the time in which this process ran and was told accounts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kigeon.observability.accounts import sender_accounts, watcher_accounts
from kigeon.observability.snapshot import Snapshot

SLOT = 300.0
"""Seconds of a slot of the day."""

SLOTS = 288

WINDOW = 5.0
"""Seconds over which a rate is averaged, where the notes lie close enough together."""

UNTOLD = 60.0
"""Seconds between two notes from which on the time between them counts as unknown."""


@dataclass(frozen=True, slots=True)
class Note:
    """The accounts at one moment of the steady clock; ``sent`` has a count for each sender."""

    at: float
    received: int
    stored: int
    waiting: int
    sent: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Slot:
    """A slot of the day. In its ``seconds`` that are known, ``new`` events came, and at most so many waited."""

    number: int
    seconds: float = 0.0
    new: int = 0
    waiting: int = 0

    @property
    def rate(self) -> float | None:
        """New events a second; None where no second of the slot is known."""
        return self.new / self.seconds if self.seconds else None


@dataclass(frozen=True, slots=True)
class Rates:
    """Events a second; ``sent`` has a rate for each sender. A rate is None while it is not known."""

    received: float | None = None
    new: float | None = None
    sent: Mapping[str, float] = field(default_factory=dict)


def note_of(snapshot: Snapshot, at: float) -> Note | None:
    """Return the accounts of *snapshot*; None while the accounts are not known."""
    watcher = watcher_accounts(snapshot)
    if not watcher:
        return None
    accounts = {name: sender_accounts(snapshot, name) for name in snapshot.senders}
    waiting = sum(found.get("waiting", 0) for found in accounts.values())
    sent = {name: found["sent"] for name, found in accounts.items() if found}
    return Note(at, watcher["received"], watcher["stored"], waiting, sent)


class History:
    """Takes a note each second, or every few seconds where nothing happens."""

    def __init__(self) -> None:
        self._notes: deque[Note] = deque(maxlen=2 * int(WINDOW))
        self._slots: deque[Slot] = deque(maxlen=SLOTS)

    def add(self, note: Note) -> None:
        """Take a *note*, which is not older than the last one."""
        slot = self._slot(note.at)
        slot.waiting = max(slot.waiting, note.waiting)
        if self._notes and note.at - self._notes[-1].at <= UNTOLD:
            slot.seconds += note.at - self._notes[-1].at
            # The counts of a queue that was lost begin at 0 again.
            slot.new += max(note.stored - self._notes[-1].stored, 0)
        self._notes.append(note)

    def rates(self) -> Rates:
        """Return the rates of the last seconds."""
        if len(self._notes) < 2:
            return Rates()
        now = self._notes[-1]
        before = next((note for note in reversed(self._notes) if note.at <= now.at - WINDOW), self._notes[0])
        seconds = now.at - before.at
        if not 0 < seconds <= UNTOLD:
            return Rates()
        sent = {name: max(now.sent[name] - before.sent[name], 0) / seconds for name in now.sent if name in before.sent}
        return Rates(
            max(now.received - before.received, 0) / seconds, max(now.stored - before.stored, 0) / seconds, sent
        )

    def day(self, now: float) -> Sequence[Slot]:
        """Return the slots of the last 24 hours, the slot of *now* last; some slots may have no known second."""
        last = int(now // SLOT)
        known = {slot.number: slot for slot in self._slots}
        return [known.get(number) or Slot(number) for number in range(last - SLOTS + 1, last + 1)]

    def _slot(self, at: float) -> Slot:
        number = int(at // SLOT)
        if not self._slots or self._slots[-1].number != number:
            self._slots.append(Slot(number))
        return self._slots[-1]
