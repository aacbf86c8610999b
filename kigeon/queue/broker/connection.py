"""A connection to JetStream that comes back by itself, and raises kigeon's errors in place of nats-py's.

A client knows the queue to which it is connected: :func:`address_of` and :func:`names_of` return the address of the
queue, and the names of its streams.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from nats.aio.client import Client
from nats.errors import ConnectionReconnectingError, StaleConnectionError
from nats.errors import Error as NatsError
from nats.js.errors import NoStreamResponseError, NotFoundError

from kigeon.errors import QueueError, shorten
from kigeon.queue.broker.address import QueueAddress
from kigeon.queue.broker.cures import cure_of
from kigeon.queue.broker.external import login_of, tls_context, unsuitable
from kigeon.queue.broker.leaving import NO_LEADER, LeavingClient
from kigeon.queue.broker.names import StreamNames
from kigeon.tenure import Tenure
from kigeon.throttle import Limited

log = logging.getLogger(__name__)
few = Limited(log)

PENDING_BYTES = 32 * 1024 * 1024
"""Bytes that nats-py may hold while it is disconnected; kigeon never has more than a few messages under way."""


PING_EVERY = 30
"""Seconds between two pings of the embedded server. On loopback no connection is lost unnoticed, and the root notices
within seconds that the server hangs, and ends it."""

OnReconnect = Callable[[Client], Awaitable[None]]
"""Called with the client when a lost connection has come back."""


Alarm = Callable[[str], None]
"""Called with the reason why the server needs a restart."""

TIMEOUTS_BEFORE_ALARM = 2
"""Writes in a row that time out on a live connection before the alarm: a server whose disk was full needs a restart."""

TIMEOUTS = "writing times out although the queue is connected"

ELECTION = 15.0
"""Seconds for which one server of a cluster may answer without knowing what the others have agreed on."""

DENIED = "permissions violation"
"""The beginning of a server's message that a user may not publish or subscribe to a subject; the connection stays."""


class QueueClient(LeavingClient):
    """A client that raises an *alarm* when the server answers but does not store.

    When a stream is missing, the client calls *on_reconnect*, which declares the stream, as after a lost connection. No
    alarm can restart an external JetStream, so there the client turns to another server instead.
    """

    def __init__(
        self, address: QueueAddress, alarm: Alarm | None = None, on_reconnect: OnReconnect | None = None
    ) -> None:
        super().__init__(address)
        self.unstored = ""
        """Why the last write or read failed; "" where it did not."""
        self.moved = ""
        """Why the client may not use the queue, which was moved; "" where it was not."""
        self._unconnected = "it is not connected"
        self._alarm = alarm
        self._on_reconnect = on_reconnect
        self._returning: asyncio.Future[None] | None = None
        self._timeouts = 0
        self._doubts: dict[str, float] = {}
        self.tenure = Tenure()
        """Until when this client may write."""

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """The TLS context of the next connection, made anew since its files may have changed."""
        external = self.address.external
        if external is None:
            return super().ssl_context
        if self._server_info.get("tls_verify") and external.tls.cert_file is None:
            # In TLS 1.3 the server refuses a missing certificate after the handshake, and then without a word.
            raise NatsError("the server wants a certificate of kigeon")
        return tls_context(external.tls)

    @property
    def server_version(self) -> str:
        """The version of the connected server, as the server tells it."""
        return str(self._server_info.get("version", ""))

    async def open(self, name: str) -> None:
        """Connect as :func:`connect` does."""
        external = self.address.external
        await self.connect(
            self.address.in_order(random.shuffle),
            name=name,
            dont_randomize=True,
            allow_reconnect=True,
            max_reconnect_attempts=-1,
            connect_timeout=2,
            pending_size=PENDING_BYTES,
            disconnected_cb=self._lost,
            reconnected_cb=self._back,
            error_cb=self._failed,
            **_pace(external is not None),
            **(login_of(external) if external is not None else {"token": self.address.token}),
        )
        self._unconnected = ""

    @property
    def problem(self) -> str:
        """Why the client can't read or write now, as far as it is known; "" where nothing is wrong."""
        return self._unconnected or self.moved or self.unstored

    async def _lost(self) -> None:
        if not self.is_closed:
            self._unconnected = "it is not connected"
            log.info("disconnected from the queue")
            self.give_up_requests()

    async def _back(self) -> None:
        self._unconnected = ""
        log.info("connected to the queue again")
        if self._on_reconnect is not None:
            await self._on_reconnect(self)

    async def _failed(self, error: Exception) -> None:
        said = shorten(str(error) or repr(error))
        if self.address.external is None:
            log.debug("nats-py reports an error of the connection", extra={"error": said})
            return
        cure = cure_of(error)
        if not self.is_connected:
            self._unconnected = f"{said} ({cure})"
            if self._transport is not None:
                # nats-py leaves an open transport behind at each attempt that a server refuses.
                self._transport.close()  # type: ignore[no-untyped-call]
        context = {"servers": self.address.servers, "error": said, "cure": cure}
        if isinstance(error, (OSError, TimeoutError, StaleConnectionError)) and not isinstance(error, ssl.SSLError):
            few.warning("a server of the queue can't be reached, kigeon tries the next one", extra=context)
        else:
            few.error("the queue refuses kigeon", extra=context)

    def wrote(self, error: BaseException | None) -> None:
        """Note that a write succeeded, or failed with *error*."""
        timed_out = isinstance(error, TimeoutError) and self.is_connected
        self._timeouts = self._timeouts + 1 if timed_out else 0
        if self._timeouts >= TIMEOUTS_BEFORE_ALARM:
            self._timeouts = 0
            if self.address.external is None and self._alarm is not None:
                self._alarm(TIMEOUTS)
        self.unstored = "" if error is None else _told(error)
        self.missed(error)

    def missed(self, error: BaseException | None) -> None:
        """Note the *error* of a read; have the streams declared again where *error* says that one is missing."""
        if self.address.external is not None and isinstance(error, NoStreamResponseError):
            few.warning("no server answers for a stream, kigeon waits for one", extra={"cure": cure_of(NO_LEADER)})
        if isinstance(error, (NoStreamResponseError, NotFoundError)):
            self._return()

    def give_up_requests(self) -> None:
        """Let all requests under way fail, whose answers are lost with the connection.

        nats-py would let each request wait for its whole timeout. The server may have carried out a request all the
        same.
        """
        for answer in list(self._resp_map.values()):
            if not answer.done():
                answer.set_exception(ConnectionReconnectingError())

    def _return(self) -> None:
        if self._on_reconnect is not None and (self._returning is None or self._returning.done()):
            if self.address.external is None:
                log.error("a stream is missing, kigeon declares it again")
            self._returning = asyncio.ensure_future(self._on_reconnect(self))

    def lasts(self, doubt: str, holds: bool) -> bool:
        """Return whether *doubt* is true, and not only a wrong answer of a cluster that elects a leader.

        *holds* says whether the server's present answer supports the doubt. The embedded server's answer is final.
        """
        if not holds:
            self._doubts.pop(doubt, None)
            return False
        if self.address.external is None:
            return True
        since = self._doubts.setdefault(doubt, time.monotonic())
        if time.monotonic() - since < ELECTION:
            raise QueueError(f"{doubt}: a cluster that elects a leader may answer so, kigeon asks again")
        return True

    # The methods below override private steps of nats-py (2.16).

    def _connect_command(self) -> bytes:
        """Return the login, unless kigeon can't work with the server: such a server is sent no secret."""
        if self.address.external is not None and (problem := unsuitable(self._server_info, self.address.external)):
            raise NatsError(problem)
        try:
            return bytes(super()._connect_command())
        except (OSError, NatsError):
            raise
        except Exception as error:
            # Whatever nkeys and others raise, nats-py would never connect again.
            raise NatsError(f"the credentials can't be read: {type(error).__name__}") from error

    async def _process_err(self, err_msg: str) -> None:
        """Connect again after a server's error closes the connection, where nats-py would give up for good."""
        if self.address.external is None or DENIED in err_msg.lower():
            await super()._process_err(err_msg)
            return
        error = NatsError(f"the server says: {err_msg}")
        await self._error_cb(error)
        await self._process_op_err(error)


def _told(error: BaseException) -> str:
    said = NO_LEADER if isinstance(error, NoStreamResponseError) else shorten(str(error) or type(error).__name__)
    return f"{said} ({cure_of(said)})"


def address_of(client: Client) -> QueueAddress:
    """Return the address of the queue to which *client* is connected."""
    return client.address if isinstance(client, QueueClient) else QueueAddress("")


def lasts(client: Client, doubt: str, holds: bool) -> bool:
    """Return the result of :meth:`QueueClient.lasts`."""
    return client.lasts(doubt, holds) if isinstance(client, QueueClient) else holds


def names_of(client: Client) -> StreamNames:
    """Return the names of the streams in the queue to which *client* is connected."""
    return address_of(client).names


async def connect(
    address: QueueAddress, name: str, on_reconnect: OnReconnect | None = None, alarm: Alarm | None = None
) -> QueueClient:
    """Connect to *address*, and keep trying for ever, at first and whenever the connection is lost.

    The server shows *name* for this connection. *on_reconnect* is called with the client whenever a lost connection has
    come back or a stream is missing, *alarm* when the server does not store the client's writes.
    """
    client = QueueClient(address, alarm, on_reconnect)
    await client.open(name)
    return client


def _pace(external: bool) -> dict[str, Any]:
    """Return nats-py's options for how soon a lost server is noticed, and a server is tried again, in seconds.

    The client leaves a hanging server of a cluster after some six seconds; the root kills the embedded one.
    """
    if external:
        return {"reconnect_time_wait": 0.5, "ping_interval": 2, "max_outstanding_pings": 2}
    return {"reconnect_time_wait": 0.1, "ping_interval": PING_EVERY, "max_outstanding_pings": 2}


@asynccontextmanager
async def connected(address: QueueAddress, name: str) -> AsyncIterator[QueueClient]:
    """Connect for the length of a block."""
    client = await connect(address, name)
    try:
        yield client
    finally:
        await client.close()


@contextmanager
def writing(client: Client, doing: str) -> Iterator[None]:
    """Do as :func:`queue_errors` does, for a write; several writes in a row that time out raise the client's alarm.

    Raises :class:`~kigeon.errors.TenureEnded` where the client may write no more.
    """
    if isinstance(client, QueueClient):
        client.tenure.check()
    error: BaseException | None = None
    try:
        with queue_errors(doing):
            yield
    except QueueError as failed:
        error = failed.__cause__
        raise
    finally:
        if isinstance(client, QueueClient):
            client.wrote(error)


@contextmanager
def reading(client: Client, doing: str) -> Iterator[None]:
    """Do as :func:`queue_errors` does, for a read; a missing stream is declared again."""
    try:
        with queue_errors(doing):
            yield
    except QueueError as failed:
        if isinstance(client, QueueClient):
            client.missed(failed.__cause__)
        raise


@contextmanager
def queue_errors(doing: str) -> Iterator[None]:
    """Turn nats-py's exceptions while *doing* something into :class:`QueueError`."""
    try:
        yield
    except (NatsError, TimeoutError, OSError) as error:
        raise QueueError(f"{doing}: {shorten(str(error) or type(error).__name__)}") from error
