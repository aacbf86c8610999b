"""The process of one connection: reads a request, answers it, ends."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import signal
import socket
import sys
from typing import Any

import orjson

from actors.operator.door import ORDER_DESCRIPTOR, Order
from actors.processes import die_with_parent
from kigeon.errors import KigeonError
from kigeon.observability.logs import configure
from kigeon.queue.connection import connected

log = logging.getLogger(__name__)

MAX_REQUEST = 1024 * 1024
PATIENCE = 10.0
"""Seconds for a request to come, and for the queue to be there."""


def main() -> None:
    """Serve the connection on standard input; the only argument is the process id of the root."""
    die_with_parent(int(sys.argv[1]))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with os.fdopen(ORDER_DESCRIPTOR, "rb") as file:
        order: Order = pickle.load(file)  # noqa: S301 - from the root, through a descriptor that no other process has
    configure(order.settings.global_.log_level, order.settings.global_.log_format)
    with socket.socket(fileno=0) as connection:
        connection.settimeout(PATIENCE)
        try:
            answer = asyncio.run(answer_to(_read(connection), order))
        except (KigeonError, ValueError, OSError) as error:
            answer = {"error": str(error) or type(error).__name__}
        except Exception as error:
            log.exception("a request failed")
            answer = {"error": f"{type(error).__name__}: {error}"}
        connection.settimeout(None)
        connection.sendall(orjson.dumps(answer) + b"\n")


async def answer_to(request: dict[str, Any], order: Order) -> dict[str, Any]:
    """Return the answer to a request; what is wrong with it is :class:`ValueError`."""
    from actors.operator.accounts import status
    from actors.operator.dead_letters import dead_letter

    commands = {"status": status, "dead-letter": dead_letter, "audit": _audit}
    command = commands.get(str(request.get("command")))
    if command is None:
        raise ValueError(f"command must be one of {', '.join(commands)}")
    async with asyncio.timeout(PATIENCE):
        connecting = connected(order.queue.url, order.queue.token, "operator")
        client = await connecting.__aenter__()
    try:
        return {"result": await command(client, order, request)}
    finally:
        await connecting.__aexit__(None, None, None)


async def _audit(client: Any, order: Order, request: dict[str, Any]) -> dict[str, Any]:
    # The kubernetes package takes a while to load: only where it is needed.
    from actors.operator.audit import audit

    found: dict[str, Any] = await audit(client, order, request)
    return found


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
