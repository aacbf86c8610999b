"""The process of one connection; it reads a request, answers it and ends."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import orjson
from nats.aio.client import Client
from nats.errors import Error as NatsError

from kigeon.errors import KigeonError, QueueError
from kigeon.observability.logs import configure
from kigeon.operator.admin_socket import CONTEXT_DESCRIPTOR, RequestContext
from kigeon.operator.answer import Answer
from kigeon.operator.dead_letters import dead_letter
from kigeon.operator.memory import TOO_MUCH, be_killed_first, lift_limit, limit_memory, peak_bytes
from kigeon.operator.resend import resend
from kigeon.operator.status import status
from kigeon.operator.tail import tail
from kigeon.processes import die_with_parent, use_few_arenas
from kigeon.queue.broker.connection import QueueClient
from kigeon.queue.broker.cures import cure_of

log = logging.getLogger(__name__)

MAX_REQUEST = 1024 * 1024
REQUEST_TIMEOUT = 10.0
"""Seconds to wait for the request, and for the queue."""

ANSWER_WITHIN = 2.0
"""Seconds for one of several servers to answer before another is asked."""

Command = Callable[[Client, RequestContext, dict[str, Any], Answer], Awaitable[None]]


def main() -> None:
    """Serve the connection on standard input; the only argument is the process id of the root."""
    die_with_parent(int(sys.argv[1]))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with os.fdopen(CONTEXT_DESCRIPTOR, "rb") as file:
        context: RequestContext = pickle.load(file)  # noqa: S301 - from the root, through a descriptor that no other process has
    configure(context.settings.global_.log_level, context.settings.global_.log_format, context={"actor": "operator"})
    use_few_arenas()
    be_killed_first()
    with socket.socket(fileno=0) as connection:
        connection.settimeout(REQUEST_TIMEOUT)
        said = _serve(connection, context)
        if said:
            connection.settimeout(REQUEST_TIMEOUT)
            with suppress(OSError):  # Nobody listens any more.
                connection.sendall(orjson.dumps({"error": said}) + b"\n")


def _serve(connection: socket.socket, context: RequestContext) -> str:
    """Answer the request; return the error's text, "" when there is none."""
    try:
        request = _read(connection)
        connection.setblocking(False)
        asyncio.run(answer_to(request, context, Answer(connection)))
    except (BrokenPipeError, ConnectionResetError, asyncio.CancelledError):
        sys.exit()  # Nobody listens any more.
    except QueueError as error:
        return f"{error} ({cure_of(error)})" if context.queue.external is not None else str(error)
    except (KigeonError, ValueError, OSError) as error:
        return str(error) or type(error).__name__
    except MemoryError:
        lift_limit()
        log.error("a request took more memory than it may")
        return TOO_MUCH
    except Exception as error:
        lift_limit()
        log.exception("a request failed")
        return f"{type(error).__name__}: {error}"
    return ""


async def answer_to(request: dict[str, Any], context: RequestContext, answer: Answer) -> None:
    """Write the *answer* to a request; :class:`ValueError` says what is wrong with the request."""
    command = _command(str(request.get("command")))
    client = await _connected(context)
    before = peak_bytes()
    limit_memory()
    leaving = asyncio.ensure_future(answer.until_gone())
    leaving.add_done_callback(partial(_cancel, asyncio.current_task()))
    try:
        await command(client, context, request, answer)
        await answer.end(peak_bytes() - before)
    finally:
        leaving.cancel()
        await client.close()


async def _connected(context: RequestContext) -> QueueClient:
    client = QueueClient(context.queue)
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT):
            await client.open("operator")
            # One that has lost the others knows nothing; where each has, the command says so.
            for _ in context.queue.servers[1:]:
                if await _answers(client):
                    break
                await client.turn()
    except TimeoutError as error:
        raise QueueError(f"the queue can't be reached: {client.problem or 'it says nothing'}") from error
    return client


async def _answers(client: QueueClient) -> bool:
    """Whether the server that it is connected to knows what the others do."""
    try:
        await client.jetstream(timeout=ANSWER_WITHIN).account_info()
    except (NatsError, TimeoutError):
        return False
    return True


def _cancel(answering: asyncio.Task[None] | None, leaving: asyncio.Future[None]) -> None:
    """Cancel the answering task, because the client has gone."""
    if answering is not None and not leaving.cancelled():
        answering.cancel()


def _command(name: str) -> Command:
    """Return the function of a command. Only ``audit`` loads the kubernetes package, which takes a while."""
    if name == "audit":
        from kigeon.operator.audit import audit

        return audit
    commands: dict[str, Command] = {"status": status, "dead-letter": dead_letter, "resend": resend, "tail": tail}
    if name not in commands:
        raise ValueError(f"command must be one of {', '.join((*commands, 'audit'))}")
    return commands[name]


def _read(connection: socket.socket) -> dict[str, Any]:
    data = b""
    while not data.endswith(b"\n") and len(data) < MAX_REQUEST:
        more = connection.recv(65536)
        if not more:
            break
        data += more
    try:
        request = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"the request is no JSON: {error}") from error
    if not isinstance(request, dict):
        raise ValueError("the request is no JSON object")
    return request


if __name__ == "__main__":
    main()
