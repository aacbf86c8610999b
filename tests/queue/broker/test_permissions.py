"""What is sent to find out what a user may do."""

import asyncio

import orjson
from nats.aio.client import Client
from nats.js import api

from kigeon.config.settings import QueueSettings
from kigeon.queue.broker.names import StreamNames
from kigeon.queue.broker.permissions import publishes, subscribes
from kigeon.queue.broker.process import NatsServer
from tests.support.writing import run_with_streams

NAMES = StreamNames()


def test_every_stream_and_every_sender_has_its_subjects() -> None:
    subjects = [subject for subject, _, _ in publishes(NAMES, ["a", "b"])]
    assert len(set(subjects)) == len(subjects)
    for stream in (NAMES.events, NAMES.seen, NAMES.outcomes, NAMES.dead_letter, NAMES.state_stream):
        assert f"$JS.API.STREAM.MSG.DELETE.{stream}" in subjects
    for sender in ("a", "b"):
        assert f"$JS.API.STREAM.INFO.{NAMES.retry_stream(sender)}" in subjects
        assert NAMES.operate_subject(sender) in subjects
    assert subscribes(NAMES, ["a", "b"]) == [NAMES.operate_subject("a"), NAMES.operate_subject("b")]


def test_every_request_to_the_api_but_a_question_is_refused(server: NatsServer, settings: QueueSettings) -> None:
    """And not carried out to no effect: what a server does with less than it needs is its own affair."""

    async def test(client: Client) -> None:
        for subject, payload, _ in publishes(NAMES, ["a"]):
            if subject.startswith("$JS.API.") and "INFO" not in subject and "MSG.NEXT" not in subject:
                answer = orjson.loads((await client.request(subject, payload, timeout=5)).data)
                assert "error" in answer, subject

    run_with_streams(server, settings, test)


def test_what_is_sent_changes_nothing(server: NatsServer, settings: QueueSettings) -> None:
    async def streams(client: Client) -> dict[str | None, tuple[api.StreamState, api.StreamConfig]]:
        return {info.config.name: (info.state, info.config) for info in await client.jetstream().streams_info()}

    async def test(client: Client) -> None:
        for subject in (NAMES.events_subject, NAMES.seen_subject, f"{NAMES.dead_letter_subjects}.a.1"):
            await client.jetstream().publish(subject, b"1")
        before = await streams(client)
        for subject, payload, headers in publishes(NAMES, ["a"]):
            await client.publish(subject, payload, headers=headers, reply=client.new_inbox())
        await client.flush()
        async with asyncio.timeout(10):
            assert await streams(client) == before

    run_with_streams(server, settings, test)
