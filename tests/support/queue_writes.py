"""Every kind of write to the queue but that of events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nats.aio.client import Client

from kigeon.queue.stores.dead_letter import DeadLetterStore
from kigeon.queue.stores.retry import RetryStore
from kigeon.queue.stores.state import StateRecord

WRITES: dict[str, Callable[[Client], Awaitable[object]]] = {
    "record": lambda client: StateRecord(client, "position.a", timeout=0.1).write(b"1"),
    "retry": lambda client: RetryStore(client, "a", timeout=0.1).put("hook", [b"{}"], [1], 1.0),
    "dead letter": lambda client: DeadLetterStore(client, "a", timeout=0.1).park(1, 1, b"{}", "refused"),
}
