"""nats-servers that are not kigeon's own: one, or a JetStream cluster of several, from the wheel that kigeon uses."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import nats
import orjson
from nats.aio.client import Client

from kigeon.queue.broker.binary import find_binary
from kigeon.queue.broker.external import LEAST_PAYLOAD
from tests.support.disk import Disk
from tests.support.processes import end_with, freeze, wait_until

T = TypeVar("T")

USER, PASSWORD = "kigeon", "a-password-of-kigeon"
SYSTEM_USER, SYSTEM_PASSWORD = "admin", "a-password-of-admins"

ACCOUNTS = """
accounts {
  KIGEON { jetstream: enabled, users: [{user: kigeon, password: a-password-of-kigeon}] }
  SYS { users: [{user: admin, password: a-password-of-admins}] }
}
system_account: SYS
"""

_CONFIGURATION = """
listen: "{host}:{port}"
server_name: "{name}"
max_payload: {max_payload}
{jetstream}
{more}
"""

JETSTREAM = """
jetstream {{
  store_dir: "{store}"
  max_memory_store: 64MB
  max_file_store: {max_file_store}
  sync_interval: always
}}
"""

CLUSTER = """
cluster {{
  name: test
  listen: "{host}:{port}"
  routes: [{routes}]
  no_advertise: true
}}
"""


def free_port() -> int:
    """Return a port that nobody listens on, and that no connection is given as its own."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(12_000, first)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Place:
    """Where a server runs, or who asks one: here, on loopback."""

    address = "127.0.0.1"

    def enter(self) -> None:
        """Have the process that is about to be executed be there."""

    def do(self, what: Callable[[], T]) -> T:
        """Return what *what* returns there."""
        return what()


HERE = Place()


class NatsNode:
    """One nats-server. A context manager: within it the server runs, unless a test ends it; it ends with it.

    ``enter`` is what comes before its command, where it runs in another namespace.
    """

    def __init__(
        self,
        folder: Path,
        name: str = "n1",
        more: str = "",
        jetstream: bool = True,
        max_payload: int = LEAST_PAYLOAD,
        max_file_store: str = "1TB",
        place: Place = HERE,
        enter: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._enter = enter
        self.folder = folder
        self.name = name
        self.port = free_port()
        self.more = more
        self.place = place
        self.scheme = "nats"
        self._jetstream = JETSTREAM.format(store=folder / "store", max_file_store=max_file_store) if jetstream else ""
        self._max_payload = max_payload
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self.scheme}://{self.place.address}:{self.port}"

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, again with its store; return when it takes connections."""
        self.launch()
        wait_until(self._listens, what=f"{self.name} {self.log[-500:]}")

    def launch(self) -> None:
        """Start it, and do not wait for it."""
        configuration = self.folder / "nats.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                host=self.place.address,
                port=self.port,
                name=self.name,
                max_payload=self._max_payload,
                jetstream=self._jetstream,
                more=self.more,
            )
        )
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._enter, find_binary(), "-c", configuration],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"GOMAXPROCS": "1", "GOMEMLIMIT": "256MiB", "PATH": os.defpath},
                preexec_fn=self._prepare(os.getpid()),
            )

    def _prepare(self, parent: int) -> Callable[[], None]:
        ends = end_with(parent)

        def do() -> None:
            ends()
            self.place.enter()

        return do

    @property
    def log(self) -> str:
        """What it has said."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _listens(self) -> bool:
        assert self.runs, self.log[-1000:]
        return self.place.do(self._connects)

    def _connects(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self.place.address, self.port)) == 0

    def kill(self) -> None:
        """End it as a machine that is lost ends it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it as its service manager does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(20)
        self._process = None

    def freeze(self) -> None:
        """Let it hang."""
        freeze(self.pid)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)


class NatsCluster:
    """Several nats-servers with one JetStream. A context manager: within it all run, and a leader is there.

    Each is at one of *places*, and has one of *disks* for its store; :meth:`ask` asks them from the place *at*.
    """

    def __init__(
        self,
        folder: Path,
        size: int = 3,
        places: Sequence[Place] = (),
        at: Place = HERE,
        disks: Sequence[Disk | None] = (),
    ) -> None:
        self._folder = folder
        self._size = size
        self._places = places or [HERE] * size
        self._disks = disks or [None] * size
        self._at = at
        self._stack = ExitStack()
        self.nodes: list[NatsNode] = []

    def __enter__(self) -> Self:
        routes = [(place, free_port()) for place in self._places]
        named = ", ".join(f'"nats://{place.address}:{port}"' for place, port in routes)
        for number, ((place, port), disk) in enumerate(zip(routes, self._disks, strict=True), 1):
            more = ACCOUNTS + CLUSTER.format(host=place.address, port=port, routes=named)
            enter = disk.enter if disk is not None else ()
            self.nodes.append(NatsNode(self._folder / f"n{number}", f"n{number}", more, place=place, enter=enter))
        with ExitStack() as stack:
            for node in self.nodes:
                stack.callback(node.kill)
                node.launch()
            wait_until(lambda: self.ask(lambda js: js.account_info()), what="a JetStream that answers")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        """All servers, as queue.url has them."""
        return ",".join(node.url for node in self.nodes)

    def queue(self, folder: Path, name: str = "kigeon", replicas: int = 3) -> dict[str, Any]:
        """Return the section ``queue`` of a kigeon that uses this; its secrets lie in *folder*."""
        folder.mkdir(exist_ok=True)
        for key, text in (("user", USER), ("password", PASSWORD)):
            (folder / key).write_text(f"{text}\n")
        files = {"usernameFile": str(folder / "user"), "passwordFile": str(folder / "password")}
        return {"url": self.url, "name": name, "replicas": replicas, **files}

    def node(self, name: str) -> NatsNode:
        """Return the server of that name."""
        return next(node for node in self.nodes if node.name == name)

    def ask(self, question: Callable[[Any], Any]) -> Any:
        """Return what JetStream answers, None where it does not."""

        async def asked() -> Any:
            async with self.client() as client:
                return await question(client.jetstream(timeout=3))

        try:
            return self._at.do(lambda: asyncio.run(asyncio.wait_for(asked(), 5)))
        except (nats.errors.Error, TimeoutError, OSError):
            return None

    def leader(self, stream: str) -> NatsNode | None:
        """Return the server that leads *stream* now, None where none does."""
        info = self.ask(lambda js: js.stream_info(stream))
        return self.node(info.cluster.leader) if info is not None and info.cluster.leader else None

    def is_whole(self, *streams: str) -> bool:
        """Whether each of *streams* has a leader and no replica lags behind."""
        return all(self._is_whole(stream) for stream in streams)

    def _is_whole(self, stream: str) -> bool:
        info = self.ask(lambda js: js.stream_info(stream))
        if info is None or not info.cluster.leader or len(info.cluster.replicas or ()) != self._size - 1:
            return False
        return all(peer.current and not peer.offline for peer in info.cluster.replicas)

    def step_down(self, stream: str) -> NatsNode:
        """Have another server lead *stream*; return that one."""
        before = wait_until(lambda: self.leader(stream), what=f"a leader of {stream}")

        async def asked() -> bytes:
            async with self.client() as client:
                return (await client.request(f"$JS.API.STREAM.LEADER.STEPDOWN.{stream}", b"", timeout=5)).data

        def another() -> NatsNode | None:
            now = self.leader(stream)
            return now if now is not before else None

        assert orjson.loads(self._at.do(lambda: asyncio.run(asked()))).get("success")
        found = wait_until(another, what="another leader")
        assert found is not None
        return found

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """Have a connection to whichever server takes one."""
        client = await nats.connect(
            [node.url for node in self.nodes if node.runs],
            user=USER,
            password=PASSWORD,
            allow_reconnect=False,
            connect_timeout=1,
            error_cb=_say_nothing,
        )
        try:
            yield client
        finally:
            await client.close()


async def _say_nothing(error: Exception) -> None:
    """A server that is away is what these tests are about."""
