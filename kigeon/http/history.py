"""How much went on lately: the rates of the last seconds, and the day in slots. Pure; its memory is bounded.

What is known is what this process was told while it ran.
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
"""Seconds over which a rate is told, where what was told lies so close together."""

UNTOLD = 60.0
"""Seconds between two notes from which on nothing is known of the time between."""


@dataclass(frozen=True, slots=True)
class Note:
    """The accounts at one moment of the steady clock; ``sent`` is by sender."""

    at: float
    received: int
    stored: int
    waiting: int
    sent: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Slot:
    """``seconds`` of it are known of: how many events were ``new`` in them, and how many waited at most."""

    number: int
    seconds: float = 0.0
    new: int = 0
    waiting: int = 0

    @property
    def rate(self) -> float | None:
        """New events a second; None where nothing is known."""
        return self.new / self.seconds if self.seconds else None


@dataclass(frozen=True, slots=True)
class Rates:
    """Events a second, ``sent`` by sender; None while they are not known."""

    received: float | None = None
    new: float | None = None
    sent: Mapping[str, float] = field(default_factory=dict)


def note_of(snapshot: Snapshot, at: float) -> Note | None:
    """Return the accounts of *snapshot*, None where they are not known yet."""
    watcher = watcher_accounts(snapshot)
    if not watcher:
        return None
    accounts = {name: sender_accounts(snapshot, name) for name in snapshot.senders}
    waiting = sum(found.get("waiting", 0) for found in accounts.values())
    sent = {name: found["sent"] for name, found in accounts.items() if found}
    return Note(at, watcher["received"], watcher["stored"], waiting, sent)


class History:
    """Takes a note a second, or one every few seconds where nothing happens."""

    def __init__(self) -> None:
        self._notes: deque[Note] = deque(maxlen=2 * int(WINDOW))
        self._slots: deque[Slot] = deque(maxlen=SLOTS)

    def add(self, note: Note) -> None:
        """Take a *note*; it is not older than the last one."""
        slot = self._slot(note.at)
        slot.waiting = max(slot.waiting, note.waiting)
        if self._notes and note.at - self._notes[-1].at <= UNTOLD:
            slot.seconds += note.at - self._notes[-1].at
            # A queue that was lost begins anew.
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
        """Return the slots of the last 24 hours, the one of *now* last; of some nothing may be known."""
        last = int(now // SLOT)
        known = {slot.number: slot for slot in self._slots}
        return [known.get(number) or Slot(number) for number in range(last - SLOTS + 1, last + 1)]

    def _slot(self, at: float) -> Slot:
        number = int(at // SLOT)
        if not self._slots or self._slots[-1].number != number:
            self._slots.append(Slot(number))
        return self._slots[-1]
