"""How long digests are kept: as configured, or as long as the cluster was seen to keep its Events."""

from dataclasses import replace

from nats.aio.client import Client

from kigeon.config.settings import QueueSettings
from kigeon.events.mark import Mark
from kigeon.queue.server import NatsServer
from kigeon.queue.streams import SEEN, declare, remember_observed, remembered
from kigeon.queue.writer import ToStore
from tests.queue.test_queue import durable, envelope, run, writing


async def kept_for(client: Client) -> float:
    return (await client.jetstream().stream_info(SEEN)).config.max_age or 0.0


def test_what_was_observed_outlasts_declarations_and_restarts(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        async with writing(client, settings) as work:
            assert await kept_for(client) == remembered(3600.0)
            work.writer.store(ToStore(1, 1, 1, envelope(1), Mark("s", 1, lifetime=10_800.0)))
            await work.until(lambda reports: durable(reports) == 1)
            assert await kept_for(client) == remembered(10_800.0)
            await declare(client, settings)
            assert await kept_for(client) == remembered(10_800.0)

    run(server, test)
    server.restart()

    async def again(client: Client) -> None:
        async with writing(client, settings) as work:
            assert work.writer.tail.mark.lifetime == 10_800.0
            assert await kept_for(client) == remembered(10_800.0)
            # It is no longer so.
            work.writer.store(ToStore(1, 1, 1, envelope(2), Mark("s", 2, lifetime=7200.0)))
            await work.until(lambda reports: durable(reports) == 1)
            await declare(client, settings)
            assert await kept_for(client) == remembered(7200.0)
            work.writer.store(ToStore(1, 2, 2, envelope(3), Mark("s", 3, lifetime=3600.0)))
            await work.until(lambda reports: durable(reports) == 2)
            await declare(client, settings)
            assert await kept_for(client) == remembered(3600.0)

    run(server, again)


def test_a_longer_setting_wins_over_what_was_observed(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings)
        await remember_observed(client, settings, 10_800.0)
        await declare(client, replace(settings, kubernetes_events_max_lifetime=20_000.0))
        assert await kept_for(client) == remembered(20_000.0)
        await declare(client, settings)
        assert await kept_for(client) >= remembered(3600.0)

    run(server, test)
