"""The records of leases and roles: every write is a compare-and-set, and what changes is read as it changes."""

from __future__ import annotations

from collections.abc import Sequence

from nats.aio.client import Client
from nats.js import api
from nats.js.client import JetStreamContext
from nats.js.errors import BadRequestError, NotFoundError

from kigeon.errors import Fenced
from kigeon.leases.records import (
    KEYS,
    LEASE_KEY,
    ROLE_KEY,
    Found,
    Replica,
    Role,
    View,
    read_replica,
    read_role,
    write_replica,
    write_role,
)
from kigeon.queue.broker.connection import lasts, names_of, queue_errors, writing
from kigeon.queue.broker.error_codes import ErrorCode
from kigeon.queue.broker.scan import StreamMessage, fetch, leave

ATTEMPT = 1.0
"""Seconds for one attempt to read or write: a lease has several of them."""

AT_ONCE = 64
"""Records that are read at once."""


class Registry:
    """The records, by way of one connection. Every coroutine raises :class:`QueueError` when the queue is away."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._js = client.jetstream(timeout=ATTEMPT)
        names = names_of(client)
        self._stream = names.state_stream
        self._prefix = names.record_subject("")

    async def lease(self, replica: str) -> Found[Replica] | None:
        """Return the lease of a *replica*, as the bucket's leader has it; None where there is none."""
        found = await self._get(f"{LEASE_KEY}.{replica}")
        return Found(read_replica(replica, found.data or b""), found.seq or 0) if found is not None else None

    async def write_lease(self, lease: Replica, revision: int) -> int:
        """Write a *lease* after *revision*; return its new one. :class:`Fenced`: another has ended it, or it is gone.

        Written again after an error, it is found to be stored: no two of its values are alike.
        """
        key, value = f"{LEASE_KEY}.{lease.id}", write_replica(lease)
        try:
            return await self._put(key, value, revision)
        except Fenced:
            found = await self._get(key)
            # A leader that was just elected may not know yet what the last one has acknowledged.
            is_behind = (found.seq or 0) < revision if found is not None else revision > 0
            lasts(self._client, f"the record {key} is not as it was written", is_behind)
            if found is None or found.data != value:
                raise
            return found.seq or 0

    async def write_role(self, name: str, role: Role, revision: int) -> int:
        """Write who holds the role *name* after *revision*; return its new one.

        :class:`Fenced`: another was quicker.
        """
        return await self._put(f"{ROLE_KEY}.{name}", write_role(role), revision)

    async def forget(self, replica: str) -> None:
        """Delete the lease of a *replica* that has ended: nobody writes it any more."""
        with queue_errors("deleting an ended lease"):
            await self._js.purge_stream(self._stream, subject=f"{self._prefix}{LEASE_KEY}.{replica}")

    def watch(self) -> Watch:
        """Return what reads all records, then each that changes."""
        return Watch(self._client, self._js, self._stream, self._prefix)

    async def _put(self, key: str, value: bytes, revision: int) -> int:
        headers = {api.Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(revision)}
        with writing(self._client, f"writing the record {key}"):
            try:
                return int((await self._js.publish(f"{self._prefix}{key}", value, headers=headers)).seq)
            except BadRequestError as error:
                if error.err_code != ErrorCode.STREAM_WRONG_LAST_SEQUENCE:
                    raise
                raise Fenced(f"another replica wrote the record {key}") from error

    async def _get(self, key: str) -> api.RawStreamMsg | None:
        with queue_errors(f"reading the record {key}"):
            try:
                # By way of the leader: what it has acknowledged is in what it answers.
                return await self._js.get_last_msg(self._stream, f"{self._prefix}{key}")
            except NotFoundError:
                return None


class Watch:
    """The records as they change, by way of a consumer that holds no state; whoever drops it leaves it to expire."""

    def __init__(self, client: Client, js: JetStreamContext, stream: str, prefix: str) -> None:
        self._client = client
        self._js = js
        self._stream = stream
        self._prefix = prefix
        self._subscription: JetStreamContext.PullSubscription | None = None

    async def next(self, within: float) -> View:
        """Return what has changed, at first everything; nothing where nothing does *within* so many seconds."""
        with queue_errors("reading the records of replicas"):
            if self._subscription is None:
                self._subscription = await self._subscribe()
            return self._view(await fetch(self._subscription, AT_ONCE, within))

    async def close(self) -> None:
        """Have the server forget the consumer."""
        if self._subscription is not None:
            subscription, self._subscription = self._subscription, None
            await leave(self._client, subscription)

    async def _subscribe(self) -> JetStreamContext.PullSubscription:
        config = api.ConsumerConfig(
            deliver_policy=api.DeliverPolicy.LAST_PER_SUBJECT,
            ack_policy=api.AckPolicy.NONE,
            inactive_threshold=60.0,
            mem_storage=True,
            num_replicas=1,
        )
        return await self._js.pull_subscribe(f"{self._prefix}{KEYS}.>", stream=self._stream, config=config)

    def _view(self, messages: Sequence[StreamMessage]) -> View:
        leases: dict[str, Found[Replica]] = {}
        roles: dict[str, Found[Role]] = {}
        for message in messages:
            key = message.subject.removeprefix(self._prefix)
            if name := _name(key, LEASE_KEY):
                leases[name] = Found(read_replica(name, message.payload), message.sequence)
            elif name := _name(key, ROLE_KEY):
                roles[name] = Found(read_role(message.payload), message.sequence)
        return View(leases, roles)


def _name(key: str, kind: str) -> str:
    return key.removeprefix(f"{kind}.") if key.startswith(f"{kind}.") else ""
