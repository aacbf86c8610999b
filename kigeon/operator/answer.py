"""Writes the answer to a request as a stream of lines, each a JSON object, so that neither side holds all of it.

===================================== =================================================================
``{"progress": text}``                what is being done now; not part of the answer
``{"members": {…}}``                  members of the answer
``{"items": [name, […]]}``            more items of the answer's member *name*, a list
``{"entries": [name, {…}]}``          more entries of the answer's member *name*, an object
``{"end": {"memory": bytes}}``        the answer is complete; how far memory grew at most while it was made
``{"error": text}``                   there is no (further) answer
===================================== =================================================================

The members, items and entries put together are one JSON object; all of a list or an object come in a row.
"""

from __future__ import annotations

import asyncio
import select
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

EVERY = 0.2
"""Seconds between two lines that tell progress."""

FIRST = 0.5
"""Seconds until the first such line: a short answer needs none."""


class Answer:
    """Writes an answer to *connection*, a socket that does not block, so that a slow reader holds up nothing else."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._due = time.monotonic() + FIRST

    async def until_gone(self) -> None:
        """Return when the client has closed the connection, not when it has only closed its writing side."""
        loop = asyncio.get_running_loop()
        gone = asyncio.Event()
        with select.epoll() as hang_up:
            # An epoll object is readable when it has an event; here that is the closing of both directions.
            hang_up.register(self._connection, 0)
            loop.add_reader(hang_up, gone.set)
            try:
                await gone.wait()
            finally:
                loop.remove_reader(hang_up)

    async def progress(self, doing: str, done: int, of: int = 0) -> None:
        """Tell how much is *done*, not too often. A client who has gone away is noticed here."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + EVERY
            await self._write({"progress": f"{doing}: {done:,}" + (f" of {of:,}" if of else "")})

    async def members(self, members: Mapping[str, Any]) -> None:
        """Write some members."""
        await self._write({"members": members})

    async def items(self, name: str, items: Sequence[Any] = ()) -> None:
        """Write some items of the list *name*; no items make an empty list."""
        await self._write({"items": [name, items]})

    async def entries(self, name: str, entries: Mapping[str, Any]) -> None:
        """Write some entries of the object *name*."""
        await self._write({"entries": [name, entries]})

    async def end(self, memory: int) -> None:
        """Say that the answer is complete."""
        await self._write({"end": {"memory": memory}})

    async def error(self, said: str) -> None:
        """Say that there is no further answer, and why."""
        await self._write({"error": said})

    async def _write(self, line: Mapping[str, Any]) -> None:
        await asyncio.get_running_loop().sock_sendall(self._connection, orjson.dumps(line) + b"\n")
