"""One request stays open over many deliveries, and a silence hides nothing."""

from __future__ import annotations

import os
import signal

import pytest
from nats.aio.client import Client

from kigeon.config.settings import QueueSettings
from kigeon.errors import QueueError
from kigeon.queue.broker import pull as pulling
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.pull import Pull
from kigeon.queue.broker.scan import subscribe
from kigeon.queue.broker.streams import declare
from tests.support.names import EVENTS, EVENTS_SUBJECT
from tests.support.sending import until
from tests.support.writing import run_with_client


async def open_pull(client: Client, settings: QueueSettings) -> Pull:
    await declare(client, settings)
    return Pull(client, await subscribe(client, EVENTS, EVENTS_SUBJECT, 1))


async def put(client: Client, *payloads: bytes) -> None:
    for payload in payloads:
        await client.jetstream().publish(EVENTS_SUBJECT, payload)


def requests_of(client: Client, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows by the subject of whatever the client publishes."""
    published: list[str] = []
    publish = client.publish

    async def noted(subject: str, *args: object, **more: object) -> None:
        published.append(subject)
        await publish(subject, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(client, "publish", noted)
    return published


def test_one_request_brings_what_comes_one_after_the_other(
    server: NatsServer, settings: QueueSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(client: Client) -> None:
        pull = await open_pull(client, settings)
        published = requests_of(client, monkeypatch)
        for number in range(1, 6):
            await put(client, b"%d" % number)
            assert [message.sequence for message in await pull.next(5, 10.0)] == [number]
        assert len([subject for subject in published if "MSG.NEXT" in subject]) == 1
        await put(client, b"6")
        assert [message.delivery for message in await pull.next(5, 10.0)] == [6]
        assert len([subject for subject in published if "MSG.NEXT" in subject]) == 2

    run_with_client(server, test)


def test_no_more_is_handed_out_than_is_wanted(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        pull = await open_pull(client, settings)
        await put(client, b"1", b"2", b"3")
        assert await pull.wait(3, 10.0)
        found: list[int] = []
        while len(found) < 3:
            more = [message.sequence for message in await pull.next(2, 10.0)]
            assert 0 < len(more) <= 2
            found += more
        assert found == [1, 2, 3]

    run_with_client(server, test)


def test_a_request_that_ended_is_followed_by_another(
    server: NatsServer, settings: QueueSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "EXPIRES", 0.05)

    async def test(client: Client) -> None:
        pull = await open_pull(client, settings)
        assert await pull.next(8, 0.5) == []
        await put(client, b"1")
        assert [message.sequence for message in await pull.next(8, 10.0)] == [1]

    run_with_client(server, test)


def test_a_consumer_that_is_deleted_is_noticed_at_once(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        pull = await open_pull(client, settings)
        assert await pull.next(8, 0.1) == []
        await client.jetstream().delete_consumer(EVENTS, (await pull.consumer_info()).name)
        with pytest.raises(QueueError, match="the consumer is gone"):
            await pull.next(8, 20.0)
        with pytest.raises(QueueError, match="the consumer is gone: 503"):
            await Pull(client, pull.subscription).next(8, 20.0)

    run_with_client(server, test)


def test_after_the_server_has_ended_it_may_be_lost(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        pull = await open_pull(client, settings)
        assert not pull.may_be_lost
        os.kill(server.pid, signal.SIGKILL)
        server.restart()
        await until(lambda: bool(client.is_connected and client.stats["reconnects"]))
        assert pull.may_be_lost

    run_with_client(server, test)


def test_a_request_that_has_no_answer_is_lost(
    server: NatsServer, settings: QueueSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(client: Client) -> None:
        pull = await open_pull(client, settings)
        pull.subscription._nms = "nobody.listens"
        monkeypatch.setattr(pull.subscription, "_deliver", "nobody.hears")
        assert await pull.next(8, 0.01) == []
        monkeypatch.setattr(pulling, "EXPIRES", -pulling.OVERDUE)
        with pytest.raises(QueueError, match="has no answer"):
            await pull.next(8, 0.01)

    run_with_client(server, test)
