"""What a sender's retry stream holds at the start, taken over before anything of the events stream is read."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from kigeon.senders.progress.envelope import EnvelopeProgress
from kigeon.senders.progress.ledger import Ledger
from kigeon.senders.progress.outcome import Outcome
from kigeon.senders.retry.damaged import DamagedPages, tell_missing
from kigeon.senders.retry.groups import REPLAY, Groups
from kigeon.senders.retry.pages import Pages, page_of


async def recover(pages: Pages, ledger: Ledger, waiting: Groups, damaged: DamagedPages) -> None:
    """Have what was booked wait, delete what was not, park what can't be read; see that the books balance."""
    missing_are = Outcome.EVICTED
    async for message in pages.messages():
        if message.problem:
            await damaged.park_message(message)
            missing_are = Outcome.PARKED
            continue
        events = ledger.retry.restore(message.sequence, len(message.offsets))
        if events:
            waiting.group(message.key).add(message.sequence, events, time.monotonic())
        else:
            await pages.delete(message.sequence)
    missing = ledger.balance(missing_are)
    if missing:
        tell_missing(missing, missing_are)


async def replays(pages: Pages, ledger: Ledger) -> AsyncIterator[EnvelopeProgress]:
    """Yield the pages that wait because an operator wants another try, with what of them has ended."""
    start = 1
    while True:
        message = await pages.next(REPLAY, start)
        if message is None or message.sequence > ledger.retry.sequence:
            return
        start = message.sequence + 1
        if not message.problem:
            page = page_of(message)
            ledger.retry.load(page)
            ledger.retry.unload(page)
            yield page
