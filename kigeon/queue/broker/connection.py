"""A connection to JetStream that comes back by itself, and the errors of nats-py as kigeon's own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from nats.aio.client import Client
from nats.errors import ConnectionReconnectingError
from nats.errors import Error as NatsError
from nats.js.errors import NoStreamResponseError, NotFoundError

from kigeon.errors import QueueError, shorten

log = logging.getLogger(__name__)

PENDING_BYTES = 32 * 1024 * 1024
"""What nats-py may hold while it is disconnected; kigeon never has more than a few messages under way."""


PING_EVERY = 30
"""Seconds between two questions to the server whether it is there. On loopback no connection is lost unnoticed, and the
root notices in seconds that the server hangs, and ends it."""

OnReconnect = Callable[[Client], Awaitable[None]]
"""What is done when a connection has come back."""


Alarm = Callable[[str], None]
"""What is told why the server needs a restart."""

TIMEOUTS_BEFORE_ALARM = 2
"""Writes in a row that time out while the server is connected: its disk was full, and it needs a restart."""


class QueueClient(Client):
    """A client that raises an *alarm* when the server is there but does not store.

    When a stream is not there it does what is done when a connection comes back: *on_reconnect* declares it.
    """

    def __init__(self, alarm: Alarm | None = None, on_reconnect: OnReconnect | None = None) -> None:
        super().__init__()
        self._alarm = alarm
        self._on_reconnect = on_reconnect
        self._returning: asyncio.Future[None] | None = None
        self._timeouts = 0

    def wrote(self, error: BaseException | None) -> None:
        """Note what came of a write."""
        timed_out = isinstance(error, TimeoutError) and self.is_connected
        self._timeouts = self._timeouts + 1 if timed_out else 0
        if self._timeouts >= TIMEOUTS_BEFORE_ALARM and self._alarm is not None:
            self._timeouts = 0
            self._alarm("writing times out although the queue is connected")
        self.missed(error)

    def missed(self, error: BaseException | None) -> None:
        """Have the streams declared again where *error* says that one is missing."""
        if isinstance(error, (NoStreamResponseError, NotFoundError)):
            self._return()

    def give_up_requests(self) -> None:
        """Have everything that waits for an answer fail: with the connection the answer is lost.

        nats-py would let each wait until its time is up. What was asked for may have been done all the same.
        """
        for answer in list(self._resp_map.values()):
            if not answer.done():
                answer.set_exception(ConnectionReconnectingError())

    def _return(self) -> None:
        if self._on_reconnect is not None and (self._returning is None or self._returning.done()):
            log.error("a stream is missing, it is declared again")
            self._returning = asyncio.ensure_future(self._on_reconnect(self))


async def connect(
    url: str, token: str, name: str, on_reconnect: OnReconnect | None = None, alarm: Alarm | None = None
) -> Client:
    """Connect to *url* and keep trying, for ever, whenever the connection is lost.

    *name* is shown by the server for this connection. The first attempt is retried too. *on_reconnect* is called with
    the client whenever a lost connection has come back or a stream is missing, *alarm* when what it writes is not
    stored.
    """
    client = QueueClient(alarm, on_reconnect)

    async def lost() -> None:
        if not client.is_closed:
            log.info("disconnected from the queue")
            client.give_up_requests()

    async def back() -> None:
        log.info("connected to the queue again")
        if on_reconnect is not None:
            await on_reconnect(client)

    async def failed(error: Exception) -> None:
        log.debug("the connection to the queue reports", extra={"error": shorten(repr(error))})

    await client.connect(
        url,
        token=token,
        name=name,
        allow_reconnect=True,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.1,  # type: ignore[arg-type]  # seconds: a fraction will do
        connect_timeout=2,
        ping_interval=PING_EVERY,
        max_outstanding_pings=2,
        pending_size=PENDING_BYTES,
        disconnected_cb=lost,
        reconnected_cb=back,
        error_cb=failed,
    )
    return client


@asynccontextmanager
async def connected(url: str, token: str, name: str) -> AsyncIterator[Client]:
    """Have a connection for the length of a block."""
    client = await connect(url, token, name)
    try:
        yield client
    finally:
        await client.close()


@contextmanager
def writing(client: Client, doing: str) -> Iterator[None]:
    """Do as :func:`queue_errors` does, for a write: several in a row that time out raise the client's alarm."""
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
    """Do as :func:`queue_errors` does; a stream that is missing is declared again."""
    try:
        with queue_errors(doing):
            yield
    except QueueError as failed:
        if isinstance(client, QueueClient):
            client.missed(failed.__cause__)
        raise


@contextmanager
def queue_errors(doing: str) -> Iterator[None]:
    """Turn what nats-py raises while *doing* something into :class:`QueueError`."""
    try:
        yield
    except (NatsError, TimeoutError, OSError) as error:
        raise QueueError(f"{doing}: {shorten(str(error) or type(error).__name__)}") from error
