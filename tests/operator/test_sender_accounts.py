"""The accounts of a sender, as they are read from the queue."""

from __future__ import annotations

from pathlib import Path

import pytest

from kigeon.operator.sender_accounts import read_sender_accounts
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.streams import POSITION_KEY
from kigeon.queue.log.protocol import LogEnd
from kigeon.senders.progress.outcome import Outcome
from tests.operator.queues import Queue, run
from tests.support.names import STATE
from tests.support.operating import SilentAnswer


def test_an_unreadable_position_is_unknown_and_so_are_its_accounts(server: NatsServer, tmp_path: Path) -> None:
    async def test(queue: Queue) -> None:
        assert {status.outcome for status in (await queue.statuses()).values()} == {"waiting"}
        await queue.client.jetstream().publish(f"$KV.{STATE}.{POSITION_KEY}.a", b'{"format":9}')
        assert {status.outcome for status in (await queue.statuses()).values()} == {"unknown"}
        accounts = (await read_sender_accounts(queue.client, "a", SilentAnswer())).accounts(LogEnd(1, 21))
        assert (accounts["stored"], accounts["unaccounted"], accounts["waiting"]) == (20, 20, 0)
        assert "format 9" in str(accounts["problem"])

    run(server, tmp_path, test)


@pytest.mark.parametrize("outcome", [Outcome.PARKED, Outcome.FILTERED])
def test_the_accounts_count_what_waits_without_holding_it(server: NatsServer, tmp_path: Path, outcome: Outcome) -> None:
    async def test(queue: Queue) -> None:
        last = 0
        for start in range(1, 11, 2):
            last = await queue.retry.put("loki", [b"{}"] * 2, [start, start + 1], 0.0)
        await queue.position(next_sequence=2, retry_sequence=last, retry={last: 1}, counts={outcome: 1, "sent": 10})
        accounts = (await read_sender_accounts(queue.client, "a", SilentAnswer())).accounts(LogEnd(2, 25))
        assert (accounts["waiting"], accounts["unaccounted"]) == (9 + 4, 0)

    run(server, tmp_path, test)
