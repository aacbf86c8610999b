"""``audit`` tells what became of every Event that the cluster lists now, for each sender and at its destinations.

An Event takes 28 bytes of memory; what is shown of it, and its raw text if destinations are asked about it, lie in
files that end with this process.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from nats.aio.client import Client

from kigeon.backoff import Backoff
from kigeon.config.settings import SenderSettings
from kigeon.errors import KubernetesError
from kigeon.events.fields import fields_of
from kigeon.events.occurrence import identity_of
from kigeon.kube.access import READ_TIMEOUT, ClusterAccess
from kigeon.kube.lines import Page, parse_page
from kigeon.kube.reflector import PAGE_SIZE
from kigeon.operator.address import SOCKET
from kigeon.operator.admin_socket import RequestContext
from kigeon.operator.answer import Answer
from kigeon.operator.event_status import EventStatus, EventStatuses, read_event_statuses
from kigeon.operator.listing import Listing
from kigeon.operator.presence import Presence, look_up_presence
from kigeon.operator.spool import Spool, Texts
from kigeon.queue.dedup.lookup import find_offsets
from kigeon.senders.progress.envelope import Position
from kigeon.senders.progress.outcome import UNKNOWN, Outcome
from kigeon.senders.registry import TYPES

EVENTS = "/api/v1/events"
LISTED_UNTIL_SEEN = 10.0
"""Seconds to wait until a listed Event is stored: it may be as new as the list."""

ATTEMPTS = 5
"""How often a page of the list is asked for again."""

NOT_SEEN = EventStatus(UNKNOWN, "it was not seen")
WRONG = (Presence.MISSING, Presence.DOUBLED)
ASKED_ABOUT = (str(Outcome.SENT), UNKNOWN)
"""Outcomes of the events that destinations are asked about."""

PRESENCE = "loki"
"""The member of the request that has destinations asked, and of the answer that tells what they hold: the first sender
type whose destinations could be asked gave it its name."""


@dataclass(slots=True)
class Audited:
    """What was found: the list, what is shown of it and its raw Events page by page, and each sender's statuses."""

    listing: Listing
    shown: Spool
    raw: Spool
    texts: Texts
    statuses: dict[str, EventStatuses] = field(default_factory=dict)
    presence: dict[str, bytearray] = field(default_factory=dict)

    def statuses_of(self, sender: str) -> Iterator[EventStatus]:
        """Yield what became of each Event of the list for *sender*."""
        statuses = self.statuses[sender]
        return (statuses.status(offset) if offset else NOT_SEEN for offset in self.listing)


async def audit(client: Client, context: RequestContext, request: dict[str, Any], answer: Answer) -> None:
    """List the cluster's Events and account for each; ``wrong`` shows only what is wrong.

    ``loki`` also asks the destinations of each sender whose type can ask them. Raises :class:`KubernetesError` and
    :class:`SenderError` when the API server or a destination does not answer.
    """
    if context.cluster is None:
        raise ValueError("there is no cluster to list Events from")
    folder = (context.settings.global_.data_dir / SOCKET).parent
    with Spool(folder) as shown, Spool(folder) as raw, Texts(folder) as texts:
        found = Audited(Listing(), shown, raw, texts)
        await _list(ClusterAccess(context.cluster), found, bool(request.get(PRESENCE)), answer)
        await _find(client, found.listing, folder, answer)
        for sender in context.settings.senders:
            await _read_statuses(client, sender.name, found, folder, answer)
        if request.get(PRESENCE):
            await _ask_destinations(context, found, answer)
        await _tell(found, context.settings.senders, bool(request.get("wrong")), answer)


async def _list(access: ClusterAccess, found: Audited, keeps_raw: bool, answer: Answer) -> None:
    query = {"limit": str(PAGE_SIZE)}
    while True:
        page = await asyncio.to_thread(_read_page, access, dict(query))
        for event, _ in page.items:
            found.listing.add(identity_of(event))
        if page.items:
            found.shown.add([orjson.dumps(_shown(event)) for event, _ in page.items])
            if keeps_raw:
                found.raw.add([raw for _, raw in page.items])
        await answer.progress("listing the cluster's Events", len(found.listing))
        if not page.continue_token:
            return
        query["continue"] = page.continue_token


def _read_page(access: ClusterAccess, query: Mapping[str, str]) -> Page:
    """Read a page; where the API server can't answer now, try again a few times."""
    backoff = Backoff(base=0.2, cap=2.0)
    while True:
        try:
            return parse_page(access.read(EVENTS, query, READ_TIMEOUT))
        except KubernetesError as error:
            if error.continue_token and backoff.failures < ATTEMPTS:
                backoff.failed(None)
                # The list's version has expired: the list goes on after the same Event, in its present state.
                query = {**query, "continue": error.continue_token}
                continue
            if (400 <= error.status < 500 and error.status != 429) or backoff.failures >= ATTEMPTS:
                raise
            time.sleep(backoff.failed(error.retry_after))


def _shown(event: Mapping[str, Any]) -> dict[str, Any]:
    fields = fields_of(event)
    return {
        "namespace": fields.namespace,
        "name": fields.name,
        "uid": fields.uid,
        "count": fields.count,
        "reason": fields.reason,
    }


async def _find(client: Client, listing: Listing, folder: Path, answer: Answer) -> None:
    """Find the offset of each Event; a new Event may still be on its way."""
    deadline = asyncio.get_running_loop().time() + LISTED_UNTIL_SEEN
    while listing.missing:
        digests = 0
        async for run in find_offsets(client):
            listing.note(run)
            digests += len(run.digests) // 8
            await answer.progress("looking for their offsets, digests read", digests)
        if not listing.missing or asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(0.25)
    listing.close(folder)


async def _read_statuses(client: Client, sender: str, found: Audited, folder: Path, answer: Answer) -> None:
    def make(position: Position, problem: str) -> EventStatuses:
        return EventStatuses(position, problem, found.listing.sorted, found.texts, folder)

    found.statuses[sender] = await read_event_statuses(client, sender, make, answer)


async def _ask_destinations(context: RequestContext, found: Audited, answer: Answer) -> None:
    for sender in context.settings.senders:
        make = TYPES[sender.type].inventory
        if make is not None:
            asked = bytearray(status.outcome in ASKED_ABOUT for status in found.statuses_of(sender.name))
            inventory = make(sender.settings)
            found.presence[sender.name] = await look_up_presence(context, sender, inventory, found.raw, asked, answer)


async def _tell(found: Audited, senders: Sequence[SenderSettings], only_wrong: bool, answer: Answer) -> None:
    """Write the counts, then each Event."""
    names = [sender.name for sender in senders]
    outcomes: dict[str, Counter[str]] = {name: Counter() for name in names}
    unaccounted = 0
    for _, statuses, accounted in _each(found, names):
        unaccounted += not accounted
        for name, status in statuses.items():
            outcomes[name][status["outcome"]] += 1
    presence = {name: Counter(map(Presence.of, held)) for name, held in found.presence.items()}
    await answer.members(
        {
            "listed": len(found.listing),
            "unaccounted": unaccounted,
            "senders": {name: dict(counts) for name, counts in outcomes.items()},
            PRESENCE: {name: _told(counts) for name, counts in presence.items() if _told(counts)},
        }
    )
    await answer.items("events")
    row = _each(found, names)
    for page in found.shown:
        lines = [_line(orjson.loads(line), next(row)) for line in page]
        await answer.items("events", [line for line in lines if not (only_wrong and line["accounted"])])


def _told(counts: Mapping[Presence | None, int]) -> dict[str, int]:
    return {str(what): count for what, count in counts.items() if what is not None}


AuditRow = tuple[int, dict[str, dict[str, str]], bool]
"""An Event's offset, what became of it for each sender, and whether it is accounted for."""


def _each(found: Audited, names: Sequence[str]) -> Iterator[AuditRow]:
    for index, offset in enumerate(found.listing):
        statuses = {}
        accounted = offset > 0
        for name in names:
            status = found.statuses[name].status(offset) if offset else NOT_SEEN
            statuses[name] = {"outcome": status.outcome, "reason": status.reason}
            held = Presence.of(found.presence[name][index]) if name in found.presence else None
            if held is not None:
                statuses[name][PRESENCE] = str(held)
            proven = status.outcome != UNKNOWN or held is Presence.ONCE
            accounted = accounted and proven and held not in WRONG
        yield offset, statuses, accounted


def _line(shown: dict[str, Any], row: AuditRow) -> dict[str, Any]:
    offset, statuses, accounted = row
    return {**shown, "number": offset or None, "accounted": accounted, "senders": statuses}
