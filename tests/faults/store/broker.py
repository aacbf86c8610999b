"""kigeon as these tests run it, and a way to its nats-server that kigeon knows nothing of."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import orjson
from nats.aio.client import Client

from kigeon.queue.broker.address import QueueAddress
from kigeon.queue.broker.connection import connected
from kigeon.queue.broker.scan import last_sequence
from kigeon.queue.stores.state import StateRecord
from kigeon.standin.apiserver import ApiServer
from tests.support.disk import Disk
from tests.support.kigeon import Kigeon
from tests.support.names import EVENTS
from tests.support.processes import is_running, wait_until

T = TypeVar("T")

SERVER = "nats-server"


class Stored(Kigeon):
    """kigeon with its data on *disk*, or in a directory like any other; ``data`` is its data directory."""

    def __init__(
        self, folder: Path, api: ApiServer, senders: list[dict[str, Any]], disk: Disk | None = None, **sections: Any
    ) -> None:
        super().__init__(folder, api, senders, **sections)
        self.cluster = api
        self._disk = disk
        self._log_start = 0

    @property
    def data(self) -> Path:
        """The data directory, as a test can see it."""
        return self.folder / "data" if self._disk is None else self._disk.root

    def streams(self) -> Path:
        """Where the server keeps the streams, each in a directory of its name."""
        return self.data / "jetstream" / "jetstream" / "$G" / "streams"

    def start(self) -> None:
        """Start it, where its disk is mounted."""
        enter = [] if self._disk is None else self._disk.enter
        command = [sys.executable, "-P", "-m", "kigeon", "start", "--config", self.config, *self.credentials]
        with self.log_path.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                [*enter, *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environ},
            )

    def server(self) -> int:
        """Return the process id of its nats-server."""
        return self.process(f"{SERVER} -c")

    def signal_server(self, number: int) -> int:
        """Send its nats-server a signal; return which process that was."""
        pid = self.server()
        os.kill(pid, number)
        return pid

    def restart_server(self) -> None:
        """Kill its nats-server, and return when there is another."""
        before = self.signal_server(signal.SIGKILL)
        wait_until(lambda: not is_running(before), what="the end of nats-server")
        assert self.server() != before

    def said(self, message: str, level: str = "", **fields: Any) -> list[dict[str, Any]]:
        """Return the lines of the log whose message has *message* in it, of that level and with these fields."""
        return [
            line
            for line in self.log()
            if message in line["message"]
            and (not level or line["level"] == level)
            and all(line.get(name) == value for name, value in fields.items())
        ]

    def wait_until_said(self, message: str, timeout: float = 30.0, **fields: Any) -> dict[str, Any]:
        """Return the last line with *message* when there is one."""
        return wait_until(lambda: self.said(message, **fields), timeout, f"a log line {message!r}")[-1]

    def accounts(self, actor: str = "sender/loki") -> dict[str, int]:
        """Return what *actor* reported last since kigeon was started, an empty dict before it did."""
        with self.log_path.open() as log:
            log.seek(self._log_start)
            found = [json.loads(line) for line in log if '"message":"status"' in line and line.endswith("}\n")]
        return found[-1]["children"].get(actor, {}) if found else {}

    def wait_until_accounted(self, actor: str, timeout: float = 30.0, **counts: int) -> dict[str, int]:
        """Return what *actor* reports when it has these *counts*."""

        def find() -> dict[str, int]:
            found = self.accounts(actor)
            return found if all(found.get(name) == count for name, count in counts.items()) else {}

        try:
            return wait_until(find, timeout)
        except TimeoutError:
            raise TimeoutError(f"{actor} reports {self.accounts(actor)}, not {counts}") from None

    def wait_until_compacted(self) -> None:
        """Return when the digests of all that is stored are in the seen stream, too."""

        async def is_compacted(client: Client) -> bool:
            record = StateRecord(client, "queue.covered")
            covered: int = orjson.loads(await record.read() or b"{}").get("sequence", 0)
            return covered >= await last_sequence(client, EVENTS)

        wait_until(lambda: self.ask_server(is_compacted), what="compaction")

    def relist(self) -> None:
        """Have everything listed again; return when it was."""
        wait_until(lambda: self.accounts("watcher").get("watching"), what="a watch")
        lists = self.accounts("watcher")["lists"]
        self.cluster.store.expire_history()
        self.cluster.faults.end_watches("expire")
        wait_until(lambda: self.accounts("watcher").get("lists", 0) > lists, what="a list")

    def ask_server(self, question: Callable[..., Awaitable[T]]) -> T:
        """Do something with a client of its nats-server, as somebody with its token can."""
        environment = Path(f"/proc/{self.server()}/environ").read_bytes().split(b"\0")
        token = next(item.partition(b"=")[2] for item in environment if item.startswith(b"KIGEON_NATS_TOKEN="))
        (ports,) = wait_until(lambda: list((self.data / "run").glob("*.ports")), what="the server's port")
        url = orjson.loads(ports.read_bytes())["nats"][0]

        async def ask() -> T:
            async with connected(QueueAddress(url, token.decode()), "test") as client:
                return await question(client)

        return asyncio.run(ask())
