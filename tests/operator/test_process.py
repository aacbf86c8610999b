"""Operators' answers about more events than anybody would hold in memory, within what the kernel allows."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import orjson
import pytest

from kigeon.config.settings import ExternalQueue
from kigeon.kube.reflector import PAGE_SIZE
from kigeon.kube.source import ClusterSource
from kigeon.operator import process
from kigeon.operator.address import SOCKET, short_path
from kigeon.operator.admin_socket import MOST_ANSWERING, RequestContext
from kigeon.operator.dead_letters import actions_of
from kigeon.operator.memory import MOST_ANSWER_BYTES
from kigeon.operator.senders import serve
from kigeon.processes import descendants
from kigeon.queue.broker.address import external_address
from kigeon.queue.broker.connection import QueueClient, connected
from kigeon.standin.apiserver import ApiServer
from tests.support.crowd import Crowd
from tests.support.events import make_event
from tests.support.filled_queue import Filled, assert_status_holds_nothing_that_waits, audited, audited_in_loki, held_of
from tests.support.nats import NatsNode
from tests.support.operating import Door, Told, door_to
from tests.support.processes import title, wait_until

COUNT = 20_000


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    queue = Filled(tmp_path_factory.mktemp("queue"), COUNT)
    with queue.server:
        queue.server.start()
        asyncio.run(queue.fill())
        yield queue


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


def test_status_reads_neither_letters_nor_outcomes(filled: Filled) -> None:
    with door_to(filled.server, filled.settings) as admin_socket:
        start = time.monotonic()
        told = admin_socket.ask({"command": "status"})
        assert time.monotonic() - start < 10  # Most of it is a process that starts.
    accounts = told.answer["senders"]["loki"]
    assert (accounts["stored"], accounts["waiting"], accounts["unaccounted"]) == (COUNT, 100, 0)
    assert 0 < told.memory < MOST_ANSWER_BYTES / 8


def test_status_counts_what_waits_and_holds_none_of_it(tmp_path: Path) -> None:
    assert_status_holds_nothing_that_waits(tmp_path, 100_000)


def test_many_letters_are_listed_as_they_are_read(filled: Filled) -> None:
    with door_to(filled.server, filled.settings) as admin_socket:
        told = admin_socket.ask({"command": "dead-letter", "action": "list"})
    letters = told.answer["deadLetters"]
    assert [letter["id"] for letter in letters] == [f"loki/{number}" for number in range(5, COUNT - 99, 5)]
    assert letters[7]["reason"] == "400 entry too old 40"
    assert 0 < told.memory < MOST_ANSWER_BYTES / 4


class Replaying:
    """Stands in for a sender's parked events: takes its time, and refuses some."""

    def __init__(self) -> None:
        self.portions: list[int] = []

    async def replay(self, names: list[str]) -> dict[str, str]:
        self.portions.append(len(names))
        if len(self.portions) == 2:
            await asyncio.sleep(0.3)
        return {name: "no" for name in names if name.endswith("00")}

    drop = replay


def test_many_are_replayed_in_portions_and_a_slow_sender_is_waited_for(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kigeon.operator.senders.AT_IT", 0.05)
    sender = Replaying()

    async def asked(admin_socket: Door) -> Told:
        async with connected(filled.server.address, "sender") as client:
            await serve(client, "loki", actions_of(sender))  # type: ignore[arg-type]
            await client.flush()
            return await asyncio.to_thread(
                admin_socket.ask, {"command": "dead-letter", "action": "replay", "all": True}
            )

    with door_to(filled.server, filled.settings) as admin_socket:
        told = asyncio.run(asked(admin_socket))
    letters = (COUNT - 100) // 5
    assert sender.portions == [500] * (letters // 500) + [letters % 500]
    assert told.counts == {"done": letters - letters // 20, "problems": letters // 20}
    assert told.answer["problems"]["loki/19900"] == "no"
    assert 0 < told.memory < MOST_ANSWER_BYTES / 4


def test_a_sender_that_does_not_run_is_said_at_once(filled: Filled) -> None:
    with door_to(filled.server, filled.settings) as admin_socket:
        told = admin_socket.ask({"command": "dead-letter", "action": "drop", "ids": ["loki/5"]})
    assert "does not run now" in told.answer["error"]


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


def test_so_many_are_answered_at_once_and_the_kernel_kills_them_first(filled: Filled) -> None:
    """Whoever comes while others are answered is told to come again; one that says nothing is let go of in the end."""
    path = filled.data / SOCKET
    with door_to(filled.server, filled.settings) as admin_socket, ExitStack() as silent:
        for _ in range(MOST_ANSWERING):
            connection = silent.enter_context(socket.socket(socket.AF_UNIX))
            with short_path(path) as short:
                connection.connect(short)
        wait_until(lambda: len(scores()) == MOST_ANSWERING and set(scores()) == {1000}, what="processes that answer")
        assert admin_socket.ask({"command": "status"}).answer == {"error": "kigeon answers others now: ask again"}
        silent.close()
        wait_until(lambda: "senders" in admin_socket.ask({"command": "status"}).answer, what="room at the door")


def scores() -> list[int]:
    """Return how readily the kernel kills each process that answers."""
    pids = [pid for pid in descendants(os.getpid()) if "kigeon.operator.process" in title(pid)]
    return [int(Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in pids]


def test_what_was_freed_goes_back_to_the_kernel() -> None:
    """An answer's pages are read in threads; what they took is not kept for the next page of the same thread."""
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from kigeon.operator.memory import data_bytes, limit_memory\n"
        "limit_memory()\n"
        "before = data_bytes()\n"
        "def take(_): return [bytes(100_000) for _ in range(150)][-1]\n"
        "with ThreadPoolExecutor(3) as threads: kept = list(threads.map(take, range(9)))\n"
        "print((data_bytes() - before) // 2**20)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert int(done.stdout) < 8


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
            self.put_events([make_event(0, count=2)])
            self.store.expire_tokens()


def test_an_audit_goes_on_with_a_list_that_expires_meanwhile(filled: Filled, tmp_path: Path) -> None:
    """Nothing of it was seen: what counts is that each is listed, once."""
    with Expiring() as cluster:
        cluster.put_events([make_event(number) for number in range(PAGE_SIZE + 50)])
        source = ClusterSource(cluster.write_kubeconfig(tmp_path / "kubeconfig"))
        with door_to(filled.server, filled.settings, source) as admin_socket:
            told = admin_socket.ask({"command": "audit", "wrong": True})
    assert told.answer["listed"] == PAGE_SIZE + 50
    assert len({event["name"] for event in told.answer["events"]}) == PAGE_SIZE + 50
