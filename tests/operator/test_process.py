"""Operators' answers about more events than anybody would hold in memory, within what the kernel allows."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest

from kigeon.config.settings import ExternalQueue
from kigeon.kube.reflector import PAGE_SIZE
from kigeon.kube.source import ClusterSource
from kigeon.operator import process
from kigeon.operator.admin_socket import RequestContext
from kigeon.operator.memory import MOST_ANSWER_BYTES
from kigeon.queue.broker.address import external_address
from kigeon.queue.broker.connection import QueueClient
from kigeon.standin.apiserver import ApiServer
from tests.support.crowd import Crowd, crowd_event
from tests.support.filled_queue import (
    COUNT,
    Filled,
    audited,
    audited_in_loki,
    held_of,
)
from tests.support.nats import NatsNode
from tests.support.operating import door_to


def test_an_audit_of_many_takes_little_memory(filled: Filled) -> None:
    told = audited(filled)
    fifth = (COUNT - 100) // 5
    assert (told.answer["listed"], told.answer["unaccounted"], told.counts["events"]) == (COUNT, 0, COUNT)
    sent = COUNT - 100 - 2 * fifth
    assert told.answer["senders"] == {"loki": {"sent": sent, "parked": fifth, "filtered": fifth, "waiting": 100}}
    reasons = {event["number"]: event["senders"]["loki"]["reason"] for event in told.answer["events"]}
    assert reasons[10_000] == "400 entry too old 10000"
    assert 0 < told.memory < MOST_ANSWER_BYTES / 2


def test_an_audit_that_asks_loki_of_many_takes_little_memory(filled: Filled) -> None:
    told = audited_in_loki(filled)
    assert told.answer["loki"] == {"loki": held_of(COUNT)}
    assert told.answer["unaccounted"] == len(told.answer["events"]) == 3 + 2
    assert 0 < told.memory < MOST_ANSWER_BYTES / 2


def test_for_a_terminal_only_what_is_wrong_is_told(filled: Filled) -> None:
    """Five Events are listed that were never seen: they are looked for as long as one may be on its way."""
    with Crowd(COUNT + 5) as cluster:
        source = ClusterSource(cluster.write_kubeconfig(filled.folder / "kubeconfig"))
        with door_to(filled.server, filled.settings, source) as admin_socket:
            told = admin_socket.ask({"command": "audit", "wrong": True})
    assert told.answer["unaccounted"] == 5
    assert [event["name"] for event in told.answer["events"]] == [f"web-{COUNT + n}.17a" for n in range(1, 6)]
    assert told.progress


@pytest.mark.parametrize("is_well", [True, False])
def test_a_server_that_has_lost_the_others_is_left_for_another(
    is_well: bool, tmp_path: Path, filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def answers(client: QueueClient) -> bool:
        asked.append(client.server)
        return is_well

    async def server_of(external: ExternalQueue) -> str:
        client = await process._connected(RequestContext(filled.settings, external_address(external), None))
        assert (await client.jetstream().account_info()).streams == 0
        server = client.server
        await client.close()
        return server

    monkeypatch.setattr(process, "_answers", answers)
    with NatsNode(tmp_path / "one") as one, NatsNode(tmp_path / "two") as two:
        server = asyncio.run(server_of(ExternalQueue((one.url, two.url))))
    assert len(asked) == 1
    assert (server == asked[0]) is is_well


def test_what_needs_more_memory_than_the_kernel_allows_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "from kigeon.operator.memory import MOST_ANSWER_BYTES, limit_memory\n"
        "limit_memory()\n"
        "kept = bytearray(MOST_ANSWER_BYTES // 2)\n"
        "try:\n    kept += bytearray(MOST_ANSWER_BYTES)\n"
        "except MemoryError:\n    print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "refused\n"

    async def greedy(*given: object) -> None:
        raise MemoryError

    monkeypatch.setattr(process, "answer_to", greedy)
    monkeypatch.setattr(process, "lift_limit", lambda: None)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(orjson.dumps({"command": "audit"}) + b"\n")
        assert "more memory than an answer may" in process._serve(theirs, None)  # type: ignore[arg-type]


class Expiring(ApiServer):
    """Has forgotten the version of a list by the time that its second page is asked for, once."""

    def note(self, method: str, path: str, query: Mapping[str, str]) -> None:
        super().note(method, path, query)
        if "continue" in query and not any(request.query.get("continue") for request in list(self.requests)[:-1]):
            self.put_events([crowd_event(1)])
            self.store.expire_tokens()


def test_an_audit_goes_on_with_a_list_that_expires_meanwhile(filled: Filled, tmp_path: Path) -> None:
    """Each is listed once."""
    with Expiring() as cluster:
        cluster.put_events([crowd_event(number) for number in range(1, PAGE_SIZE + 51)])
        source = ClusterSource(cluster.write_kubeconfig(tmp_path / "kubeconfig"))
        with door_to(filled.server, filled.settings, source) as admin_socket:
            told = admin_socket.ask({"command": "audit"})
    assert (told.answer["listed"], told.answer["unaccounted"]) == (PAGE_SIZE + 50, 0)
    assert len({event["name"] for event in told.answer["events"]}) == PAGE_SIZE + 50
