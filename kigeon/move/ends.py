"""The two ends of a move: a data directory, with a nats-server for as long as it takes, and an external JetStream."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, Self

from kigeon.config.settings import ExternalQueue, QueueSettings
from kigeon.errors import MoveRefused, QueueError
from kigeon.move.asking import change_config, config_as_stored, named_streams
from kigeon.move.copying import delete_stream
from kigeon.move.reading import MoveClient
from kigeon.move.renaming import is_subject_of
from kigeon.queue.broker.address import QueueAddress, external_address
from kigeon.queue.broker.lock import unusable
from kigeon.queue.broker.mark import MARK_KEY, Mark, mark_in, mark_of, put_mark, write_mark
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.stream_configs import file_store_bytes

log = logging.getLogger(__name__)

CONNECT_WITHIN = 20.0
ANSWER_WITHIN = 10.0
STOP_WITHIN = 60.0
"""Seconds."""


class End(Protocol):
    """What a move asks of an end. It raises :class:`QueueError`, or another KigeonError where that is for good."""

    @property
    def place(self) -> str:
        """What it is called for people."""

    @property
    def address(self) -> QueueAddress:
        """Where it is reached, and what its streams are called."""

    @property
    def client(self) -> MoveClient:
        """The connection, once it was opened."""

    async def mark(self) -> Mark | None:
        """Return its mark."""

    async def put_mark(self, mark: Mark | None) -> None:
        """Mark it, or take its mark away; it is durable when this returns."""

    def metadata(self, mark: Mark) -> Mapping[str, str]:
        """Return what the events stream is to be restored with, so that it has *mark* from its first moment."""

    async def holds(self) -> bool:
        """Whether there is a stream of the queue, or may be."""

    async def has_begun(self) -> bool:
        """Whether there is nothing but the beginning of a stream that has no mark yet."""

    async def open(self) -> None:
        """Have a server, and connect to it; once is enough."""

    async def close(self) -> None:
        """Close the connection."""

    async def begin(self, mark: Mark) -> None:
        """Mark it, delete every stream of the queue, and be open."""

    async def forget(self) -> None:
        """Delete every stream of the queue, and then the mark."""

    async def settle(self) -> None:
        """See that what was restored is durable."""


class _Connected:
    """What both have: a connection, and the streams that are seen by way of it."""

    def __init__(self) -> None:
        self._client: MoveClient | None = None

    @property
    def client(self) -> MoveClient:
        """The connection."""
        if self._client is None:
            raise RuntimeError("it was not opened")
        return self._client

    async def _connect(self, address: QueueAddress) -> None:
        client = MoveClient(address)
        try:
            await asyncio.wait_for(client.open("move"), CONNECT_WITHIN)
        except TimeoutError as error:
            await client.close()
            raise QueueError(f"{address.url} can't be connected to: {client.problem}") from error
        self._client = client

    async def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()


class DataDirectory(_Connected):
    """The data directory of a kigeon without ``queue.url``. A context manager: within it the directory is locked."""

    def __init__(self, data_dir: Path, settings: QueueSettings) -> None:
        super().__init__()
        self._data_dir = data_dir
        self._server = NatsServer(data_dir, file_store_bytes(settings))

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.__exit__(None, None, None)

    @property
    def place(self) -> str:
        """It and its machine."""
        return f"global.dataDir {self._data_dir.absolute()} of {socket.gethostname()}"

    @property
    def address(self) -> QueueAddress:
        """Where its server listens."""
        return self._server.address

    async def mark(self) -> Mark | None:
        """Read the file."""
        return mark_of(self._data_dir)

    async def put_mark(self, mark: Mark | None) -> None:
        """Write the file."""
        try:
            put_mark(self._data_dir, mark)
        except OSError as error:
            raise unusable(self._data_dir, error) from error

    def metadata(self, mark: Mark) -> Mapping[str, str]:
        """Nothing: the file says it."""
        return {}

    async def holds(self) -> bool:
        """Whether there is a store; a server would make one."""
        return self._store.is_dir()

    async def has_begun(self) -> bool:
        """Never: the mark is there before anything else."""
        return False

    async def open(self) -> None:
        """Start the server."""
        if self._client is None:
            # It looks at the server now and then, for seconds where the store is large.
            await asyncio.to_thread(self._server.start)
            await self._connect(self._server.address)

    async def begin(self, mark: Mark) -> None:
        """Mark it, and start a server on an empty store, which it does not sync for each message."""
        await self.put_mark(mark)
        await self._remove()
        self._server.syncs = False
        await self.open()

    async def forget(self) -> None:
        """Remove the store, whatever state it is in, then the mark."""
        await self._remove()
        await self.put_mark(None)

    async def settle(self) -> None:
        """End the server, sync the store, and have a server that syncs."""
        await self.close()
        await asyncio.to_thread(self._server.stop, STOP_WITHIN)
        try:
            await asyncio.to_thread(sync_tree, self._store)
        except OSError as error:
            raise unusable(self._data_dir, error) from error
        self._server.syncs = True
        await self.open()

    async def _remove(self) -> None:
        await self.close()
        await asyncio.to_thread(self._server.stop)
        try:
            if self._store.is_dir():
                await asyncio.to_thread(shutil.rmtree, self._store)
        except OSError as error:
            raise unusable(self._data_dir, error) from error

    @property
    def _store(self) -> Path:
        return self._data_dir / "jetstream"


class Cluster(_Connected):
    """The external JetStream that ``queue.url`` names."""

    def __init__(self, external: ExternalQueue) -> None:
        super().__init__()
        self._external = external
        self.address = external_address(external)

    @property
    def place(self) -> str:
        """Its servers and the name."""
        return f"queue.url {self.address.url}, queue.name {self._external.name}"

    async def mark(self) -> Mark | None:
        """Read it from the events stream."""
        events, named = self.address.names.events, await named_streams(self.client)
        if events not in named:
            return None
        config = await config_as_stored(self.client, events)
        if config is None and named != [events]:
            raise QueueError(f"the stream {events} does not answer")
        return mark_in(config.get("metadata")) if config is not None else None

    async def put_mark(self, mark: Mark | None) -> None:
        """Write it to the events stream, everything else about which stays as it is."""
        config = await config_as_stored(self.client, self.address.names.events)
        if config is None:
            raise MoveRefused(f"{self.place}: there is no stream {self.address.names.events}: see what deleted it")
        metadata = {key: text for key, text in config.get("metadata", {}).items() if key != MARK_KEY}
        config["metadata"] = {**metadata, **(self.metadata(mark) if mark is not None else {})}
        await change_config(self.client, config)
        if await self.mark() != mark:
            raise QueueError(f"{self.place}: the mark of the move is not what was written")

    def metadata(self, mark: Mark) -> Mapping[str, str]:
        """The mark."""
        return {MARK_KEY: write_mark(mark)}

    async def holds(self) -> bool:
        """Whether any of the queue's streams is there."""
        return bool(await named_streams(self.client))

    async def has_begun(self) -> bool:
        """Whether there is nothing but an events stream whose restoring was broken off: it comes first."""
        events = self.address.names.events
        return await named_streams(self.client) == [events] and await config_as_stored(self.client, events) is None

    async def open(self) -> None:
        """Connect."""
        if self._client is None:
            await self._connect(self.address)

    async def begin(self, mark: Mark) -> None:
        """Mark it, where a stream is there that could be marked, and delete the streams."""
        if await self.mark() is not None:
            await self.put_mark(mark)
        await self.forget()

    async def forget(self) -> None:
        """Delete the streams; that which has the mark last. One of other subjects is somebody else's."""
        for name in reversed(await named_streams(self.client)):
            config = await config_as_stored(self.client, name) or {}
            if all(is_subject_of(self.address.names, subject) for subject in config.get("subjects") or ()):
                await delete_stream(self.client.jetstream(timeout=ANSWER_WITHIN), name)

    async def settle(self) -> None:
        """Its servers have synced what most of them hold."""


def sync_tree(folder: Path) -> None:
    """Sync every file and every folder below *folder*, and itself; raises :class:`OSError`."""
    for path in [*folder.rglob("*"), folder, folder.parent]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


async def streams_of(end: End) -> list[str]:
    """Return the names of the queue's streams at *end*, in the order in which they are moved."""
    return await named_streams(end.client)
