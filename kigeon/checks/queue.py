"""The JetStream that ``queue.url`` names: whether kigeon may do there what it does, and whether it has room.

Nothing is left behind. To find out whether the servers are enough for the replicas, and have the room, a stream is made
and deleted again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import orjson
from nats.errors import Error as NatsError
from nats.js import JetStreamContext, api
from nats.js.errors import NotFoundError

from kigeon.checks.account import SUBJECT, check_limits, mebi
from kigeon.config.settings import ExternalQueue, QueueSettings, Settings
from kigeon.finding import Finding, failed, well
from kigeon.queue.broker.adapting import incompatible
from kigeon.queue.broker.address import QueueAddress, external_address
from kigeon.queue.broker.connection import DENIED, QueueClient
from kigeon.queue.broker.cures import cure_of
from kigeon.queue.broker.mark import mark_in, why_unusable
from kigeon.queue.broker.permissions import publishes, restores, subscribes
from kigeon.queue.broker.stream_configs import records_config, retry_config, stream_configs

PATIENCE = 5.0
"""Seconds for a server to take a connection, and for JetStream to answer."""


class TrialClient(QueueClient):
    """A connection of which the first thing that goes wrong is told; ``denied`` is what a user has no right to."""

    def __init__(self, address: QueueAddress) -> None:
        super().__init__(address)
        self.denied: list[str] = []
        self.failure: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    async def _failed(self, error: Exception) -> None:
        if DENIED in str(error).lower():
            self.denied.append(str(error).removeprefix("nats: ").strip("'"))
        elif not self.failure.done():
            self.failure.set_result(error)


def check_queue(settings: Settings, external: ExternalQueue) -> Iterator[Finding]:
    """Yield what is found of each server, and of the account at the first that takes kigeon."""
    yield from asyncio.run(examine(settings, external))


async def examine(settings: Settings, external: ExternalQueue, moved: Sequence[str] | None = None) -> list[Finding]:
    """Return what is found of each server, and of the account at the first that takes kigeon.

    *moved* are the senders of a queue that is to be moved there or from there; None: kigeon is to run there.
    """
    findings: list[Finding] = []
    reached: list[str] = []
    for server in external.servers:
        address = external_address(replace(external, servers=(server,)))
        try:
            async with _connection(address) as client:
                findings.append(well(SUBJECT, f"{server} is nats-server {client.server_version}"))
                reached.append(server)
                if len(reached) == 1:
                    account = await _account(client, settings, moved)
        except (NatsError, OSError, TimeoutError) as error:
            said = str(error).removeprefix("nats: ") or "nobody answers"
            findings.append(failed(SUBJECT, f"{server}: {said}", cure_of(said)))
    return findings + account if reached else findings


@asynccontextmanager
async def _connection(address: QueueAddress) -> AsyncIterator[TrialClient]:
    client = TrialClient(address)
    opening = asyncio.ensure_future(client.open("check"))
    waits: list[asyncio.Future[Any]] = [opening, client.failure]
    await asyncio.wait(waits, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    try:
        if client.failure.done():
            raise client.failure.result()
        if not opening.done():
            raise TimeoutError(f"it did not answer within {PATIENCE:g} s")
        await opening
        yield client
    finally:
        opening.cancel()
        await client.close()


async def _account(client: TrialClient, settings: Settings, moved: Sequence[str] | None) -> list[Finding]:
    """Return what is found of the account: its rights, what is there, whether there is room for the rest."""
    queue, names = settings.queue, client.address.names
    senders = list(dict.fromkeys([*(sender.name for sender in settings.senders), *(moved or ())]))
    denied = await _denied(client, senders, moved is not None)
    if denied:
        return [failed("queue rights", said, cure_of(DENIED)) for said in denied]
    try:
        account = orjson.loads((await client.request("$JS.API.INFO", b"", timeout=PATIENCE)).data)
        if "error" in account:
            said = f"JetStream answers {account['error'].get('description')}"
            return [failed(SUBJECT, said, cure_of(said))]
        wanted = [*stream_configs(queue, client.address), records_config(client.address)]
        wanted += [retry_config(queue, client.address, sender) for sender in senders]
        found, missing = await _compare(client.jetstream(timeout=PATIENCE), wanted, moved is not None)
        found += check_limits(account, missing, client.address.replicas, queue.events_max_bytes)
        if missing and not found:
            found += await _try(client.jetstream(timeout=PATIENCE), queue, client.address)
    except (NatsError, TimeoutError) as error:
        said = str(error).removeprefix("nats: ")
        return [failed(SUBJECT, f"JetStream: {said}", cure_of(error))]
    size = mebi(sum(config.max_bytes or 0 for config in wanted) * client.address.replicas)
    state = f"{len(wanted) - len(missing)} of {len(wanted)} streams of {names.name} are there"
    return found or [well(SUBJECT, f"{state}, they may grow to {size}, replicas counted")]


async def _denied(client: TrialClient, senders: Sequence[str], moves: bool) -> list[str]:
    """Return what the user has no right to; more is needed where a queue *moves*."""
    inbox = client.new_inbox()
    subscribed = [f"{inbox}.*", *subscribes(client.address.names, senders)]
    names = client.address.names
    published = [*publishes(names, senders), (f"{inbox}.2", b"", {}), *(restores(names, senders) if moves else ())]
    for subject in subscribed:
        await client.subscribe(subject)
    for subject, payload, headers in published:
        await client.publish(subject, payload, reply=f"{inbox}.1", headers=headers or None)
    # What was refused is told before a PING that comes after it is answered; nats-py's first may overtake it.
    for _ in range(2):
        await client.flush(int(PATIENCE))
    # nats-py tells it in small letters.
    wanted = [("subscribe to", subject) for subject in subscribed] + [("publish to", sent[0]) for sent in published]
    said = [(doing, subject) for doing, subject in wanted if any(f'"{subject.lower()}"' in no for no in client.denied)]
    return [f"no right to {doing} {subject.replace(inbox, '_INBOX')}" for doing, subject in dict.fromkeys(said)]


async def _compare(
    js: JetStreamContext, wanted: Sequence[api.StreamConfig], moves: bool
) -> tuple[list[Finding], list[api.StreamConfig]]:
    """Return what is wrong with streams that are there, and those that are not."""
    findings: list[Finding] = []
    missing: list[api.StreamConfig] = []
    for config in wanted:
        try:
            found = await js.stream_info(config.name or "")
        except (NotFoundError, TimeoutError) as error:
            # A stream whose restoring was broken off does not answer; the move that did it is repeated.
            if isinstance(error, TimeoutError) and not moves:
                raise
            missing.append(config)
            continue
        if problem := incompatible(found.config, config):
            findings.append(failed(SUBJECT, problem, cure_of(problem)))
        said, cure = why_unusable(mark_in(found.config.metadata), shared=True)
        if said and not moves:
            findings.append(failed(SUBJECT, said, cure))
        away = [peer.name for peer in (found.cluster and found.cluster.replicas) or () if peer.offline]
        if away:
            said = f"{config.name}: the servers {', '.join(map(str, away))} are away"
            findings.append(failed(SUBJECT, said, "have all servers of the cluster run"))
    return findings, missing


async def _try(js: JetStreamContext, queue: QueueSettings, address: QueueAddress) -> list[Finding]:
    """Make a stream like the largest, and delete it."""
    (events, *_) = stream_configs(queue, address)
    trial = events.evolve(name=f"{address.names.name}-check", subjects=[f"{address.names.name}.check"])
    try:
        await js.add_stream(trial)
        await js.delete_stream(trial.name or "")
    except (NatsError, TimeoutError) as error:
        said = str(error).removeprefix("nats: ")
        cure = cure_of(error)
        return [failed(SUBJECT, f"a stream of {address.replicas} replicas can't be made: {said}", cure)]
    return []
