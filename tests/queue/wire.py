"""A wire between a client and the server that loses an answer when it is told to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class Wire:
    """Passes bytes on, both ways. ``lose`` is a text: the next answer that has it is lost, with its connection."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.url = ""
        self.lose = b""
        self.lost = 0

    async def carry(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        try:
            server, requests = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            answers.close()
            return
        ways = [asyncio.ensure_future(way) for way in (self._ask(client, requests), self._answer(server, answers))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            requests.close()
            answers.close()

    async def _ask(self, client: asyncio.StreamReader, requests: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await client.read(65536):
                requests.write(data)

    async def _answer(self, server: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await server.read(65536):
                if self.lose and self.lose in data:
                    self.lose = b""
                    self.lost += 1
                    return
                answers.write(data)


@asynccontextmanager
async def wire(url: str) -> AsyncIterator[Wire]:
    """Have a wire to the server at *url* for the length of a block."""
    laid = Wire(urlsplit(url).port or 0)
    open_ways: set[asyncio.Task[None]] = set()

    def accept(client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        open_ways.add(asyncio.ensure_future(laid.carry(client, answers)))

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    laid.url = f"nats://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield laid
    finally:
        listener.close()
        for way in open_ways:
            way.cancel()
        await asyncio.gather(*open_ways, return_exceptions=True)
