"""``tail`` tells the events of a running kigeon: first the last few that are stored, then each that comes.

Each event is told once, as it was received; repeats were left out before they were stored.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from nats.aio.client import Client

from kigeon.errors import QueueError, UnreadableEnvelope
from kigeon.events.envelope import unpack
from kigeon.events.fields import fields_of
from kigeon.operator.address import SOCKET
from kigeon.operator.admin_socket import RequestContext
from kigeon.operator.answer import Answer
from kigeon.operator.following import SIGN_OF_LIFE, following
from kigeon.operator.status import current_log_end
from kigeon.queue.broker.connection import names_of
from kigeon.queue.broker.scan import last_sequence
from kigeon.queue.log.history import EventHistory
from kigeon.queue.log.reader import EventLog

MOST_LAST = 1000
"""Stored events that may be asked for."""

LOOKED_AT = 10_000
"""Stored events that are searched where only some events are wanted."""

AT_ONCE = 2
"""Envelopes in memory at once: each may be large."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are wanted; an empty field matches all. ``kind`` is in lower case."""

    namespace: str = ""
    types: frozenset[str] = frozenset()
    kind: str = ""
    name: str = ""

    @property
    def is_all(self) -> bool:
        """Whether every event is wanted."""
        return self == Wanted()

    def includes(self, event: Mapping[str, Any]) -> bool:
        """Whether *event* is wanted."""
        fields = fields_of(event)
        return (
            self.namespace in ("", fields.namespace)
            and (not self.types or fields.type in self.types)
            and self.kind in ("", fields.involved_kind.lower())
            and self.name in ("", fields.involved_name)
        )


def wanted_of(request: Mapping[str, Any]) -> tuple[Wanted, int]:
    """Return what a *request* asks for, and how many stored events; :class:`ValueError` says what is wrong."""
    last, types = request.get("last", 10), request.get("types") or []
    texts = {name: request.get(name) or "" for name in ("namespace", "kind", "name")}
    if isinstance(last, bool) or not isinstance(last, int) or not 0 <= last <= MOST_LAST:
        raise ValueError(f"last must be a number of events, at most {MOST_LAST}")
    if not isinstance(types, list) or not all(isinstance(text, str) for text in (*types, *texts.values())):
        raise ValueError("types must be a list of texts; namespace, kind and name must be texts")
    return Wanted(texts["namespace"], frozenset(types), texts["kind"].lower(), texts["name"]), last


async def tail(client: Client, context: RequestContext, request: dict[str, Any], answer: Answer) -> None:
    """Tell the ``last`` events that are wanted; with ``follow`` also those that come, while the client reads."""
    wanted, last = wanted_of(request)
    log = EventLog(client, context.settings.queue)
    end = await last_sequence(client, names_of(client).events)
    await log.seek(await _start(client, wanted, last, end))
    await answer.items("events")
    before = await _before(log, wanted, last, end)
    await _tell(answer, before)
    if request.get("follow"):
        with following((context.settings.global_.data_dir / SOCKET).parent):
            await _follow(client, log, wanted, answer)


async def _start(client: Client, wanted: Wanted, last: int, end: int) -> int:
    """Return the sequence at which the search for the *last* wanted events begins."""
    if not last:
        return end + 1
    offset = (await current_log_end(client)).next_offset - (last if wanted.is_all else LOOKED_AT)
    return min(await EventHistory(client).sequence_of(max(offset, 1)), end + 1)


async def _before(log: EventLog, wanted: Wanted, last: int, end: int) -> deque[dict[str, Any]]:
    found: deque[dict[str, Any]] = deque(maxlen=last)
    sequence = 0
    while last and sequence < end:
        messages = await log.next(AT_ONCE)
        if not messages:
            break
        for message in messages:
            found.extend(_events(message.payload, wanted))
            sequence = message.sequence
    return found


async def _follow(client: Client, log: EventLog, wanted: Wanted, answer: Answer) -> None:
    told = time.monotonic()
    while True:
        try:
            messages = await log.next(AT_ONCE)
        except QueueError:
            # nats-server is being restarted, or the stream was made anew.
            await asyncio.sleep(1.0)
            messages = []
        for message in messages:
            await _tell(answer, _events(message.payload, wanted))
            told = time.monotonic()
        if time.monotonic() - told >= SIGN_OF_LIFE:
            await answer.items("events")
            told = time.monotonic()


async def _tell(answer: Answer, events: Any) -> None:
    for event in events:
        await answer.items("events", [event])


def _events(payload: bytes, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """Yield the wanted events of an envelope, without managedFields; unreadable events are left out."""
    try:
        lines = unpack(payload)
    except UnreadableEnvelope:
        return
    for line in lines:
        try:
            event = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(event, dict) and wanted.includes(event):
            if isinstance(event.get("metadata"), dict):
                event["metadata"].pop("managedFields", None)
            yield event
