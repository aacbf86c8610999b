"""Reads a sender's position at its start, and moves its events out of the retry stream that all senders shared."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from functools import partial

from kigeon.backoff import persistently
from kigeon.errors import Fenced, UnreadablePosition
from kigeon.senders.ports import PositionRecord, RetryStore
from kigeon.senders.progress.envelope import Position
from kigeon.senders.progress.position import read_position, write_position

log = logging.getLogger(__name__)


async def open_position(record: PositionRecord, retry: RetryStore) -> Position:
    """Return the sender's position; afterwards its own retry stream holds the events that the position says."""
    stored = await _take_over(record)
    try:
        position = read_position(stored)
    except UnreadablePosition as error:
        # A destination can drop an event that is sent twice; an event that is not sent is lost.
        log.error("the position can't be read, everything in the queue is sent again", extra={"error": str(error)})
        position = Position(retry_sequence=await persistently("reading the retry stream", retry.booked_at_most))
    return await _adopt(position, record, retry)


async def _take_over(record: PositionRecord) -> bytes | None:
    """Return the record, written anew: whoever owned it can no longer write it, and nothing newer was written."""
    while True:
        stored = await persistently("reading the position", record.read)
        if stored is None:
            return None
        with suppress(Fenced):
            await persistently("taking the position over", partial(record.write, stored))
            return stored


async def _adopt(position: Position, record: PositionRecord, retry: RetryStore) -> Position:
    """Move the sender's events from the shared retry stream to its own: copy, book, then delete the originals."""
    booked, marked = position.retry_sequence, position.retry.keys()
    adopted = await persistently("copying what waits", lambda: retry.adopt(booked, marked))
    if adopted is not None:
        bits = {new: position.retry[old] for old, new in adopted.moved.items()}
        position = replace(position, retry_sequence=adopted.sequence, retry=bits)
        await persistently("writing the position", lambda: record.write(write_position(position)))
    await persistently("deleting what was copied", retry.forget_former)
    return position
