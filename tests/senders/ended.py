"""A sender that runs until its events have ended, and what it leaves."""

from nats.aio.client import Client

from kigeon.queue.broker.scan import StreamMessage, scan
from kigeon.senders.engine.engine import Engine
from tests.support.names import DEAD_LETTER, DEAD_LETTER_SUBJECT
from tests.support.sending import until


async def until_sent(engine: Engine, sent: int) -> dict[str, object]:
    await until(lambda: engine.report()["sent"] == sent)
    await engine.drain()
    return engine.report()


async def dead_letters(client: Client) -> list[StreamMessage]:
    return [found async for found in scan(client, DEAD_LETTER, f"{DEAD_LETTER_SUBJECT}.loki.*", 1)]
