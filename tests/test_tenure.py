"""A tenure ends by the clock, and what has one neither writes nor sends after it."""

from __future__ import annotations

import asyncio
import math

import pytest

from kigeon.errors import TenureEnded
from kigeon.queue.broker.connection import connect
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.streams import declare
from kigeon.queue.stores.state import StateRecord
from kigeon.tenure import Tenure
from tests.support.clock import Clock
from tests.support.settings import QUEUE_SETTINGS


def test_it_ends_at_its_time_and_is_not_put_off_afterwards() -> None:
    tenure = Tenure(105.0, clock := Clock())
    tenure.check()
    tenure.extend(110.0)
    tenure.extend(108.0)
    clock.now = 109.9
    tenure.check()
    clock.now = 110.0
    for ask in (tenure.check, lambda: tenure.extend(200.0)):
        with pytest.raises(TenureEnded):
            ask()


def test_where_nobody_could_take_over_it_has_no_end() -> None:
    clock = Clock()
    clock.now = 1e12
    Tenure(clock=clock).check()
    assert Tenure().until == math.inf


def test_nothing_is_written_after_it(server: NatsServer) -> None:
    async def main() -> None:
        client = await connect(server.address, "test")
        try:
            await declare(client, QUEUE_SETTINGS)
            client.tenure = Tenure(105.0, clock := Clock())
            record = StateRecord(client, "position.a")
            await record.write(b"1")
            clock.now = 105.0
            with pytest.raises(TenureEnded):
                await record.write(b"2")
            assert await record.read() == b"1"
        finally:
            await client.close()

    asyncio.run(main())
