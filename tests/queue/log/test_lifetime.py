"""How long digests are kept: as configured, or as long as the cluster was seen to keep its Events."""

from dataclasses import replace

from nats.aio.client import Client

from kigeon.config.settings import QueueSettings
from kigeon.events.checkpoint import WatcherCheckpoint
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.stream_configs import digest_ttl
from kigeon.queue.broker.streams import declare, remember_observed
from kigeon.queue.log.protocol import Store
from tests.support.names import SEEN
from tests.support.writing import durable, envelope, run_with_client, writing


async def kept_for(client: Client) -> float:
    return (await client.jetstream().stream_info(SEEN)).config.max_age or 0.0


def test_what_was_observed_outlasts_declarations_and_restarts(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        async with writing(client, settings) as work:
            assert await kept_for(client) == digest_ttl(3600.0)
            work.writer.store(Store(1, 1, 1, envelope(1), WatcherCheckpoint("s", 1, lifetime=10_800.0)))
            await work.until(lambda reports: durable(reports) == 1)
            assert await kept_for(client) == digest_ttl(10_800.0)
            await declare(client, settings)
            assert await kept_for(client) == digest_ttl(10_800.0)

    run_with_client(server, test)
    server.restart()

    async def again(client: Client) -> None:
        async with writing(client, settings) as work:
            assert work.writer.log_end.checkpoint.lifetime == 10_800.0
            assert await kept_for(client) == digest_ttl(10_800.0)
            # It is no longer so.
            work.writer.store(Store(1, 1, 1, envelope(2), WatcherCheckpoint("s", 2, lifetime=7200.0)))
            await work.until(lambda reports: durable(reports) == 1)
            await declare(client, settings)
            assert await kept_for(client) == digest_ttl(7200.0)
            work.writer.store(Store(1, 2, 2, envelope(3), WatcherCheckpoint("s", 3, lifetime=3600.0)))
            await work.until(lambda reports: durable(reports) == 2)
            await declare(client, settings)
            assert await kept_for(client) == digest_ttl(3600.0)

    run_with_client(server, again)


def test_a_longer_setting_wins_over_what_was_observed(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings)
        await remember_observed(client, settings, 10_800.0)
        await declare(client, replace(settings, kubernetes_events_max_lifetime=20_000.0))
        assert await kept_for(client) == digest_ttl(20_000.0)
        await declare(client, settings)
        assert await kept_for(client) >= digest_ttl(3600.0)

    run_with_client(server, test)
