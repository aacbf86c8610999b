"""Whether destinations hold each event that was sent exactly once: events are prepared again and looked for there.

An event's destination, and its place in it, depend on the hook and on what the hook sees. Where that has changed since
(a Pod's labels, a script), the event is looked for in the wrong place, and reported as missing.
An event takes 30 bytes of memory while it is looked for. What a destination holds is compared one by one.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from functools import partial
from itertools import islice

from kigeon.config.settings import SenderSettings
from kigeon.operator.admin_socket import RequestContext
from kigeon.operator.answer import Answer
from kigeon.operator.listing import Keys
from kigeon.operator.spool import Spool
from kigeon.senders.assembly import preparer_of, sink_of
from kigeon.senders.inventory import Inventory
from kigeon.senders.steps import Deferred, Final, Preparer

AT_ONCE = 1000
"""What is compared between two reports of progress."""


class Presence(StrEnum):
    """What its destination holds of an event that was sent."""

    ONCE = "once"
    MISSING = "missing"
    DOUBLED = "doubled"
    NOT_ASKED = "its destination is not known now"

    @classmethod
    def of(cls, code: int) -> Presence | None:
        """Return what a *code* from :func:`look_up_presence` stands for; None where the event was not sent."""
        return list(cls)[code - 1] if code else None

    @property
    def code(self) -> int:
        """The code that stands for this value."""
        return list(Presence).index(self) + 1


class Sought:
    """The events that are looked for, by key, and how often each is held."""

    def __init__(self) -> None:
        self._keys = Keys()
        self._rows = array("I")
        self._held = bytearray()

    def add(self, key: int) -> None:
        """Add an event that should be held."""
        row = self._keys.add(key)
        if row == len(self._held):
            self._held.append(0)
        self._rows.append(row + 1)

    def add_none(self) -> None:
        """Add an event that is not looked for."""
        self._rows.append(0)

    def found(self, keys: Iterable[int | None]) -> int:
        """Note the *keys* of what a destination holds; return how many there were."""
        count = 0
        for key in keys:
            count += 1
            row = self._keys.find(key) if key is not None else -1
            if row >= 0:
                self._held[row] = min(self._held[row] + 1, 2)
        return count

    def presence(self, index: int) -> Presence:
        """Return what is held of the event at *index*."""
        row = self._rows[index]
        return (Presence.MISSING, Presence.ONCE, Presence.DOUBLED)[self._held[row - 1]] if row else Presence.NOT_ASKED


async def look_up_presence(
    context: RequestContext, sender: SenderSettings, inventory: Inventory, raw: Spool, asked: bytearray, answer: Answer
) -> bytearray:
    """Return what the *sender*'s destinations hold of the *raw* events: codes, 0 for those that are not *asked* about.

    Raises :class:`~kigeon.errors.SenderError` when a destination does not answer.
    """
    sink = sink_of(sender)
    sought = Sought()
    # One thread does all the work: a hook's worker ends with the thread that started it.
    with ThreadPoolExecutor(1, "audit") as thread:
        run = partial(asyncio.get_running_loop().run_in_executor, thread)
        preparer = await run(preparer_of, sender, context.settings, context.cluster, sink)
        start = 0
        try:
            for page in raw:
                await run(_prepare, preparer, page, asked[start : start + len(page)], inventory, sought)
                start += len(page)
                await answer.progress(f"{sender.name}: finding the streams of events", start, len(asked))
        finally:
            await run(preparer.close)
        lines = 0
        for label, keys in inventory.held():
            while found := await run(sought.found, islice(keys, AT_ONCE)):
                lines += found
                await answer.progress(f"{sender.name}: reading what {label} holds, lines", lines)
    sink.close()
    return bytearray(sought.presence(index).code if asks else 0 for index, asks in enumerate(asked))


def _prepare(preparer: Preparer, page: Sequence[bytes], asked: bytearray, inventory: Inventory, sought: Sought) -> None:
    """Add the events of a *page* that are *asked* about to what is expected and *sought*."""
    steps = iter(preparer.prepare([line for line, asks in zip(page, asked, strict=True) if asks]))
    for asks in asked:
        step = next(steps) if asks else None
        if step is None or isinstance(step, Final | Deferred):
            sought.add_none()
        else:
            sought.add(inventory.expect(step))
