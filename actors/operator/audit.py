"""``audit``: every Event that the cluster lists now, and what became of it, for each sender and in Loki."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nats.aio.client import Client

from actors.operator.books import Fate, read_books
from actors.operator.door import Order
from actors.operator.in_loki import InLoki, look_into_loki
from kigeon.backoff import Backoff
from kigeon.config.settings import SenderSettings
from kigeon.errors import KubernetesError
from kigeon.events.fields import fields_of
from kigeon.events.occurrence import identity_of
from kigeon.kube.access import READ_TIMEOUT, ClusterAccess
from kigeon.kube.lines import Page, parse_page
from kigeon.kube.reflector import PAGE_SIZE
from kigeon.queue.recall import recall

EVENTS = "/api/v1/events"
PATIENCE = 10.0
"""Seconds that an Event which was listed may take to be seen: it may be as new as the list."""

ATTEMPTS = 5
"""How often a page of the list is asked for again."""

UNKNOWN = Fate("unknown", "it was not seen")


@dataclass(slots=True)
class Listed:
    """An Event of the cluster: its running number, None while it is not known, and its fate for each sender."""

    event: Mapping[str, Any]
    raw: bytes
    digest: bytes
    number: int | None = None
    fates: dict[str, Fate] = field(default_factory=dict)
    in_loki: dict[str, InLoki] = field(default_factory=dict)

    def is_accounted_for(self) -> bool:
        """Whether it was seen, and is nowhere missing or doubled."""
        wrong = (InLoki.MISSING, InLoki.DOUBLED)
        return self.number is not None and not any(found in wrong for found in self.in_loki.values())


async def audit(client: Client, order: Order, request: dict[str, Any]) -> dict[str, Any]:
    """List the cluster's Events and account for each; with ``loki`` ask Loki too.

    Raises :class:`KubernetesError` and :class:`SenderError` when what has to be asked does not answer.
    """
    if order.cluster is None:
        raise ValueError("there is no cluster to list Events from")
    access = ClusterAccess(order.cluster)
    listed = await asyncio.to_thread(lambda: list(_list(access)))
    await _find(client, listed)
    senders = order.settings.senders
    for sender in senders:
        books = await read_books(client, sender.name)
        for found in listed:
            found.fates[sender.name] = books.fate(found.number) if found.number is not None else UNKNOWN
    if request.get("loki"):
        for sender in senders:
            await _ask_loki(order, sender, listed)
    return _answer(listed, senders)


def _list(access: ClusterAccess) -> Iterator[Listed]:
    query = {"limit": str(PAGE_SIZE)}
    while True:
        page = _read_page(access, query)
        for event, raw in page.items:
            yield Listed(event, raw, identity_of(event))
        if not page.continue_token:
            return
        query["continue"] = page.continue_token


def _read_page(access: ClusterAccess, query: Mapping[str, str]) -> Page:
    """Read a page; what the API server can't answer now is asked for again, a few times."""
    backoff = Backoff(base=0.2, cap=2.0)
    while True:
        try:
            return parse_page(access.read(EVENTS, query, READ_TIMEOUT))
        except KubernetesError as error:
            if (400 <= error.status < 500 and error.status != 429) or backoff.failures >= ATTEMPTS:
                raise
            time.sleep(backoff.failed(error.retry_after))


async def _find(client: Client, listed: Sequence[Listed]) -> None:
    """Find the number of each; one that is new may still be on its way."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while missing := [found for found in listed if found.number is None]:
        numbers = await recall(client, {found.digest for found in missing})
        for found in missing:
            found.number = numbers.get(found.digest)
        if len(numbers) == len({found.digest for found in missing}) or asyncio.get_running_loop().time() > deadline:
            return
        await asyncio.sleep(0.25)


async def _ask_loki(order: Order, sender: SenderSettings, listed: Sequence[Listed]) -> None:
    if sender.loki is None:
        return
    sent = [found for found in listed if found.fates[sender.name].outcome == "sent"]
    raw = [found.raw for found in sent]
    held = await asyncio.to_thread(look_into_loki, sender, order.settings, order.cluster, raw)
    for found, what in zip(sent, held, strict=True):
        found.in_loki[sender.name] = what


def _answer(listed: Sequence[Listed], senders: Sequence[SenderSettings]) -> dict[str, Any]:
    outcomes = {sender.name: Counter(found.fates[sender.name].outcome for found in listed) for sender in senders}
    loki = {
        sender.name: Counter(str(found.in_loki[sender.name]) for found in listed if sender.name in found.in_loki)
        for sender in senders
    }
    return {
        "listed": len(listed),
        "unaccounted": sum(not found.is_accounted_for() for found in listed),
        "senders": {name: dict(counts) for name, counts in outcomes.items()},
        "loki": {name: dict(counts) for name, counts in loki.items() if counts},
        "events": [_shown(found) for found in listed],
    }


def _shown(found: Listed) -> dict[str, Any]:
    fields = fields_of(found.event)
    return {
        "namespace": fields.namespace,
        "name": fields.name,
        "uid": fields.uid,
        "count": fields.count,
        "reason": fields.reason,
        "number": found.number,
        "accounted": found.is_accounted_for(),
        "senders": {
            name: {
                "outcome": fate.outcome,
                "reason": fate.reason,
                **({"loki": str(found.in_loki[name])} if name in found.in_loki else {}),
            }
            for name, fate in found.fates.items()
        },
    }
