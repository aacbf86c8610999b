"""Who reads an answer may go away."""

import asyncio
import socket

from kigeon.operator.answer import Answer


def test_a_client_that_closes_is_noticed_at_once_and_one_that_asks_nothing_more_is_not() -> None:
    async def test() -> None:
        client, server = socket.socketpair()
        server.setblocking(False)
        with server:
            with client:
                answer = Answer(server)
                gone = asyncio.ensure_future(answer.until_gone())
                client.sendall(b"more than was asked for")
                client.shutdown(socket.SHUT_WR)
                await answer.items("events")
                for _ in range(10):
                    await asyncio.sleep(0)
                assert not gone.done()
            async with asyncio.timeout(60):
                await gone

    asyncio.run(test())
