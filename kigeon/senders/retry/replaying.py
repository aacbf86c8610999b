"""Replays and drops parked events for an operator.

A replay moves an event from the dead-letter stream to the sender's retry stream: a copy there is booked, the dead
letter is deleted, and only then is the copy tried. After a crash before the booking the event is still parked. After a
later crash the next start deletes the dead letter of each booked copy before the copy is tried. So the event is sent
again, once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from kigeon.backoff import persistently
from kigeon.senders.ports import DeadLetterStore, OutcomeStore, Parked
from kigeon.senders.progress.envelope import EnvelopeProgress
from kigeon.senders.progress.progress import Progress
from kigeon.senders.retry.groups import REPLAY
from kigeon.senders.retry.pages import MAX_PAGE_BYTES, in_pages
from kigeon.senders.retry.scheduler import RetryScheduler

log = logging.getLogger(__name__)

NOT_THERE = "it is not there (any more)"
NO_EVENT = "it holds no single readable event, so it can only be shown or dropped"


class ParkedEvents:
    """One sender's parked events; owned by its event loop."""

    def __init__(
        self, store: DeadLetterStore, outcomes: OutcomeStore, progress: Progress, scheduler: RetryScheduler
    ) -> None:
        self._store = store
        self._outcomes = outcomes
        self._progress = progress
        self._scheduler = scheduler
        self._lock = asyncio.Lock()

    async def restore(self) -> None:
        """Go on with replays that a crash interrupted."""
        async for page in self._scheduler.replays():
            await self._unpark(page)

    async def replay(self, names: Sequence[str]) -> dict[str, str]:
        """Send the letters *names* again; return why not, by name, for those with which that is impossible.

        Raises :class:`QueueError`: letters that were not moved are still parked.
        """
        problems: dict[str, str] = {}
        found: list[tuple[int, bytes]] = []
        size = 0
        async with self._lock:
            for name in dict.fromkeys(names):
                parked = await self._store.load(name)
                event = parked.event() if parked is not None else None
                if parked is None:
                    problems[name] = NOT_THERE
                elif parked.offset is None or event is None:
                    problems[name] = NO_EVENT
                else:
                    found.append((parked.offset, event))
                    size += len(event)
                if size > MAX_PAGE_BYTES:
                    await self._replay_all(found)
                    found, size = [], 0
            await self._replay_all(found)
        return problems

    async def drop(self, names: Sequence[str]) -> dict[str, str]:
        """Delete the letters *names* for good; return and raise as :meth:`replay` does.

        The note that a letter was dropped is durable before the letter is deleted. The accounts count it as parked.
        """
        problems: dict[str, str] = {}
        dropped: dict[str, str] = {}
        async with self._lock:
            for name in dict.fromkeys(names):
                parked = await self._store.load(name)
                if parked is None:
                    problems[name] = NOT_THERE
                else:
                    dropped[name] = _why_gone(parked)
            if dropped:
                await self._outcomes.write_dropped(dropped, self._progress.ledger.notes.explained)
                log.warning("dropping dead letters on an operator's request", extra=_said(dropped))
            for name in dropped:
                await self._store.delete(name)
        return problems

    async def _replay_all(self, events: Sequence[tuple[int, bytes]]) -> None:
        for part in in_pages([len(raw) for _, raw in events]):
            await self._replay(events[part])

    async def _replay(self, events: Sequence[tuple[int, bytes]]) -> None:
        offsets = tuple(offset for offset, _ in events)
        # The age of the copy begins with the operator's request.
        page = await self._scheduler.pages.copy(REPLAY, [raw for _, raw in events], offsets, time.time())
        self._progress.ledger.replay(page)
        await self._progress.save()
        log.warning("replaying dead letters on an operator's request", extra={"events": len(offsets)})
        await self._unpark(page)
        self._scheduler.waiting.add(page)

    async def _unpark(self, page: EnvelopeProgress) -> None:
        for index in page.open_indexes():
            await self._delete(str(page.offset(index)))

    async def _delete(self, name: str) -> None:
        await persistently("deleting from the dead-letter stream", lambda: self._store.delete(name))


def _why_gone(parked: Parked) -> str:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return f"an operator dropped it at {now}; it was parked since {parked.since}: {parked.reason}"


def _said(dropped: Mapping[str, str]) -> dict[str, object]:
    """Return the keys for a line of the log: the first names are enough."""
    return {"parked": " ".join(list(dropped)[:10]), "letters": len(dropped)}
