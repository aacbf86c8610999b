"""A cluster and a queue with any number of events, made on the way: nothing here holds them all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import orjson
import yaml
from nats.aio.client import Client

from kigeon.events.envelope import Envelope, pack, write_headers
from kigeon.events.occurrence import identity_of
from kigeon.queue.broker.streams import POSITION_KEY
from kigeon.queue.stores.dead_letter import NOTE
from kigeon.queue.stores.outcomes import OutcomeStore
from kigeon.queue.stores.retry import RetryStore
from kigeon.senders.progress.envelope import Position
from kigeon.senders.progress.position import write_position
from tests.support.names import DEAD_LETTER_SUBJECT, EVENTS, EVENTS_SUBJECT, STATE

PAGE = 500
BEGAN = 1_795_500_000
PER_SECOND = 1000
AT_ONCE = 256


def crowd_event(number: int) -> dict[str, Any]:
    """Return the Event with running *number*; a thousand of them happen in a second."""
    second = BEGAN + number // PER_SECOND
    stamp = f"2026-11-24T{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}Z"
    return {
        "metadata": {
            "name": f"web-{number}.17a",
            "namespace": f"team-{number % 20}",
            "uid": f"00000000-0000-4000-8000-{number:012d}",
            "creationTimestamp": stamp,
        },
        "involvedObject": {"kind": "Pod", "namespace": f"team-{number % 20}", "name": f"web-{number}"},
        "reason": "BackOff",
        "message": f"Back-off restarting failed container, {number}",
        "source": {"component": "kubelet", "host": f"node-{number % 7}"},
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
        "type": "Warning",
    }


class Crowd:
    """A context manager: an API server that lists Events 1 to *count*, page by page, and nothing else."""

    def __init__(self, count: int) -> None:
        self.count = count
        handler = type("BoundHandler", (_Handler,), {"crowd": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.05,), name="crowd", daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def write_kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig, and return its path."""
        cluster = {"server": f"http://127.0.0.1:{self._server.server_address[1]}"}
        document = {
            "clusters": [{"name": "crowd", "cluster": cluster}],
            "users": [{"name": "kigeon", "user": {"token": "any"}}],
            "contexts": [{"name": "crowd", "context": {"cluster": "crowd", "user": "kigeon"}}],
            "current-context": "crowd",
        }
        path.write_text(yaml.safe_dump(document))
        return path

    def page(self, start: int, limit: int) -> bytes:
        """Return the page that begins with Event *start*."""
        end = min(start + limit, self.count + 1)
        metadata = {"resourceVersion": "7", "continue": str(end) if end <= self.count else ""}
        return orjson.dumps({"metadata": metadata, "items": [crowd_event(number) for number in range(start, end)]})


class _Handler(BaseHTTPRequestHandler):
    crowd: Crowd
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass

    def do_GET(self) -> None:
        query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        body = self.crowd.page(int(query.get("continue", 1)), int(query.get("limit", PAGE)))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


async def fill_events(client: Client, count: int) -> None:
    """Store the headers of envelopes with Events 1 to *count*: their digests are what an operator's answers read."""

    async def store(first: int) -> None:
        numbers = range(first, min(first + PAGE, count + 1))
        envelope = Envelope(b"-", b"".join(identity_of(crowd_event(number)) for number in numbers), "7")
        headers = write_headers(envelope, first, "test")
        await client.jetstream().publish(EVENTS_SUBJECT, envelope.payload, headers=headers, stream=EVENTS)

    for first in range(1, count + 1, PAGE):
        await store(first)


async def fill_letters(client: Client, sender: str, numbers: Iterator[int], reason: str) -> None:
    """Park Events *numbers*, each with a reason of its own."""
    payload = pack([NOTE], b"").payload

    async def park(number: int) -> None:
        headers = {"Kigeon-Format": "1", "Kigeon-Reason": f"{reason} {number}", "Kigeon-Sequence": "1"}
        await client.jetstream().publish(f"{DEAD_LETTER_SUBJECT}.{sender}.{number}", payload, headers=headers)

    await _in_crowds(park, numbers)


async def fill_waiting(client: Client, sender: str, numbers: range) -> int:
    """Have Events *numbers* wait in the retry stream; return the last sequence there."""
    store, last = RetryStore(client, sender), 0
    for start in range(numbers.start, numbers.stop, PAGE):
        page = range(start, min(start + PAGE, numbers.stop))
        last = await store.put("loki", [NOTE] * len(page), page, float(BEGAN))
    return last


async def fill_notes(client: Client, sender: str, numbers: Iterator[int]) -> None:
    """Note that Events *numbers* were filtered, as apart as may be."""
    store = OutcomeStore(client, sender)
    page: list[tuple[int, int, str, str]] = []
    for number in numbers:
        page.append((number, number, "filtered", "the namespace filter"))
        if len(page) == PAGE:
            await store.write(page, 0)
            page = []
    if page:
        await store.write(page, 0)


async def put_position(client: Client, sender: str, position: Position) -> None:
    """Store a sender's position."""
    await client.jetstream().publish(f"$KV.{STATE}.{POSITION_KEY}.{sender}", write_position(position))


async def _in_crowds(work: Callable[[int], Awaitable[None]], numbers: Iterator[int]) -> None:
    crowd = []
    for number in numbers:
        crowd.append(work(number))
        if len(crowd) == AT_ONCE:
            await asyncio.gather(*crowd)
            crowd = []
    await asyncio.gather(*crowd)
