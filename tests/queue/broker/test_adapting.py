"""Streams that are there before kigeon is."""

import asyncio
import dataclasses
import logging
from pathlib import Path

import pytest

from kigeon.config.settings import QueueSettings
from kigeon.errors import QueueError
from kigeon.queue.broker.address import external_address
from kigeon.queue.broker.connection import connected
from kigeon.queue.broker.streams import declare
from tests.queue.broker.nodes import use
from tests.support.nats import NatsNode


def test_what_the_configuration_decides_is_changed_and_what_an_administrator_decides_stays(
    node: NatsNode, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    settings = QueueSettings(events_max_bytes=16 * 2**20)

    async def test() -> None:
        async with connected(external_address(use(node, tmp_path, name="prod")), "test") as client:
            await declare(client, settings, "a")
            js = client.jetstream()
            config = (await js.stream_info("prod-events")).config
            await js.update_stream(config.evolve(description="of the platform team", metadata={"team": "platform"}))
            caplog.clear()
            await declare(client, settings, "a")
            assert "changing a stream" not in caplog.text
            await declare(client, dataclasses.replace(settings, events_max_bytes=32 * 2**20), "a")
            config = (await js.stream_info("prod-events")).config
            assert (config.max_bytes, config.description) == (32 * 2**20, "of the platform team")
            assert (config.metadata or {})["team"] == "platform"
            assert {
                record.__dict__["stream"] for record in caplog.records if "changing a stream" in record.message
            } == {
                "prod-events",
                "prod-outcomes",
                "prod-dead-letter",
                "prod-retry-a",
            }

    asyncio.run(test())


def test_a_stream_of_somebody_else_is_left_alone(node: NatsNode, tmp_path: Path) -> None:
    async def test() -> None:
        async with connected(external_address(use(node, tmp_path)), "test") as client:
            await client.jetstream().add_stream(name="kigeon-seen", subjects=["orders.>"])
            with pytest.raises(QueueError, match=r"is not kigeon's: its subjects are orders\.> \(delete or rename"):
                await declare(client, QueueSettings())
            info = await client.jetstream().stream_info("kigeon-seen")
            assert info.config.subjects == ["orders.>"]

    asyncio.run(test())
