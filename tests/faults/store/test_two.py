"""Somebody else writes where kigeon alone does: it notices before it writes on, says so, and nothing is doubled."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from nats.aio.client import Client

from kigeon.config.settings import QueueSettings
from kigeon.errors import Fenced
from kigeon.events.envelope import Envelope, pack
from kigeon.events.occurrence import identity_of
from kigeon.queue.broker.streams import POSITION_KEY
from kigeon.queue.log.end import read_log_end
from kigeon.queue.log.protocol import LogEnd
from kigeon.queue.log.publisher import Publisher
from kigeon.queue.log.reader import EventLog
from kigeon.queue.stores.state import StateRecord
from kigeon.standin.apiserver import ApiServer
from tests.faults.store.broker import Stored
from tests.support.events import assert_once, make_event
from tests.support.flow import Flow
from tests.support.kigeon import loki_sender
from tests.support.loki import Loki
from tests.support.names import EVENTS_SUBJECT
from tests.support.processes import wait_until

NOT_AS_LEFT = "the events stream is not as it was left"
SETTINGS = QueueSettings()


def envelope_of(*numbers: int) -> tuple[Envelope, list[dict[str, object]]]:
    """Return an envelope of another kigeon, and the events in it."""
    events = [make_event(number) for number in numbers]
    return pack([orjson.dumps(event) for event in events], b"".join(map(identity_of, events))), events


def finish(kigeon: Stored, flow: Flow, loki: Loki, strange: list[dict[str, object]]) -> None:
    """See that everything arrived once: what the cluster told, and what the other one wrote."""
    loki.wait_for(len(loki.lines) + 100)
    events = [*flow.stop(), *strange]
    loki.wait_for(len(events))
    assert kigeon.stop() == 0
    assert_once(loki.lines, events)
    assert loki.repeats == 0


@pytest.mark.parametrize("garbage", [b"", b"not ours", b"\xff" * 5000])
def test_a_stranger_publishes_garbage(tmp_path: Path, api: ApiServer, loki: Loki, flow: Flow, garbage: bytes) -> None:
    async def publish(client: Client) -> None:
        await client.jetstream().publish(EVENTS_SUBJECT, garbage)

    with Stored(tmp_path, api, [loki_sender(loki)]) as kigeon:
        for times in range(1, 4):
            loki.wait_for(len(loki.lines) + 50)
            kigeon.ask_server(publish)
            wait_until(lambda so_far=times: len(kigeon.said(NOT_AS_LEFT, "error")) >= so_far)
        finish(kigeon, flow, loki, [])
        assert kigeon.said("the pipeline begins a new epoch", "warn")


def test_another_kigeon_writes_to_the_stream(tmp_path: Path, api: ApiServer, loki: Loki, flow: Flow) -> None:
    """Both are fenced whenever the other has written, and both go on from what is really there."""
    strange: list[dict[str, object]] = []
    fenced: list[LogEnd] = []

    async def write(client: Client, envelope: Envelope, log_end: LogEnd) -> bool:
        publisher = Publisher(client, SETTINGS, 5.0)
        publisher.begin(log_end)
        try:
            await publisher.publish(envelope)
        except Fenced:
            fenced.append(log_end)
            return False
        return True

    def attempt(envelope: Envelope) -> Callable[[Client], Awaitable[bool]]:
        async def write_at_the_end(client: Client) -> bool:
            while not await write(client, envelope, (await read_log_end(client, LogEnd()))[0]):
                pass
            return True

        return write_at_the_end

    with Stored(tmp_path, api, [loki_sender(loki)]) as kigeon:
        for number in range(3):
            loki.wait_for(len(loki.lines) + 50)
            stale, _ = envelope_of(10**9)
            assert not kigeon.ask_server(lambda client, envelope=stale: write(client, envelope, LogEnd()))
            envelope, events = envelope_of(*range(10**6 * (number + 1), 10**6 * (number + 1) + 5))
            assert kigeon.ask_server(attempt(envelope))
            strange += events
            wait_until(lambda so_far=number: len(kigeon.said(NOT_AS_LEFT, "error")) > so_far)
        finish(kigeon, flow, loki, strange)
    assert len(fenced) >= 3


def test_the_same_events_written_by_another_are_known(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    """A kigeon that is fenced knows what the other wrote, and does not write it again."""
    envelope, events = envelope_of(1, 2, 3)
    new = make_event(4)

    async def write(client: Client) -> None:
        publisher = Publisher(client, SETTINGS, 5.0)
        publisher.begin((await read_log_end(client, LogEnd()))[0])
        await publisher.publish(envelope)

    with Stored(tmp_path, api, [loki_sender(loki)]) as kigeon:
        wait_until(lambda: kigeon.accounts("watcher").get("watching"))
        kigeon.ask_server(write)
        api.put_events([*events, new])
        loki.wait_for(4)
        kigeon.wait_until_accounted("queue", stored=4)
        assert kigeon.said(NOT_AS_LEFT, "error")
        assert kigeon.stop() == 0
    assert_once(loki.lines, [*events, new])
    assert loki.repeats == 0


def test_another_sender_takes_over_the_position(tmp_path: Path, api: ApiServer, loki: Loki, flow: Flow) -> None:
    """The one that was there notices at its next write, says so, and begins again from what it finds."""

    async def take_over(client: Client) -> None:
        record = StateRecord(client, f"{POSITION_KEY}.loki")
        position = orjson.loads(await record.read() or b"{}")
        await record.write(orjson.dumps({**position, "by": "another"}))

    with Stored(tmp_path, api, [loki_sender(loki)]) as kigeon:
        for _ in range(2):
            loki.wait_for(len(loki.lines) + 50)
            before = kigeon.actor("sender/loki")
            wait_until(lambda: taken(kigeon, take_over), what="a moment between two writes of the position")
            wait_until(lambda gone=before: kigeon.actor("sender/loki") != gone)
        loki.wait_for(len(loki.lines) + 100)
        events = flow.stop()
        loki.wait_for(len(events))
        assert "another kigeon wrote the record position.loki" in kigeon.log_path.read_text()
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)


def taken(kigeon: Stored, take_over: Callable[[Client], Awaitable[Any]]) -> bool:
    try:
        kigeon.ask_server(take_over)
    except Fenced:
        return False
    return True


def test_a_reader_of_the_stream_disturbs_nobody(tmp_path: Path, api: ApiServer, loki: Loki, flow: Flow) -> None:
    async def read(client: Client) -> int:
        log = EventLog(client, SETTINGS)
        await log.seek(1)
        return len(await log.next())

    with Stored(tmp_path, api, [loki_sender(loki)]) as kigeon:
        loki.wait_for(50)
        assert kigeon.ask_server(read)
        finish(kigeon, flow, loki, [])
        assert not kigeon.said(NOT_AS_LEFT)
