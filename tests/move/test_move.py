"""Moves between a data directory with something of every kind, and a real nats-server."""

import asyncio
import os
import random
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import nats
import orjson
import pytest
from nats.js import JetStreamContext
from nats.js.api import StreamConfig

from kigeon.config.settings import ExternalQueue
from kigeon.move.ends import Cluster, sync_tree
from kigeon.queue.broker.lock import DirectoryLock
from kigeon.queue.broker.mark import Mark, MoveState, mark_of, put_mark
from tests.support.moving import Moving, held
from tests.support.nats import NatsNode

STREAMS = {
    "kigeon-events": (524, 1, 524),
    "KV_kigeon-state": (4, 1, 1772),
    "kigeon-dead-letter": (32, 2, 36),
    "kigeon-outcomes": (72, 1, 72),
    "kigeon-retry": (19, 1, 19),
    "kigeon-seen": (0, 1, 0),
}


def ask(node: NatsNode, question: Callable[[JetStreamContext], Awaitable[Any]]) -> Any:
    async def asked() -> Any:
        client = await nats.connect(node.url)
        try:
            return await question(client.jetstream())
        finally:
            await client.close()

    return asyncio.run(asked())


def put_mark_at(node: NatsNode, mark: Mark | None, name: str = "kigeon") -> None:
    async def put() -> None:
        cluster = Cluster(ExternalQueue((node.url,), name=name))
        await cluster.open()
        await cluster.put_mark(mark)
        await cluster.close()

    asyncio.run(put())


def mark_at(node: NatsNode) -> Mark | None:
    async def read() -> Mark | None:
        cluster = Cluster(ExternalQueue((node.url,)))
        await cluster.open()
        try:
            return await cluster.mark()
        finally:
            await cluster.close()

    return asyncio.run(read())


def state_of(mark: Mark | None) -> MoveState | None:
    return mark.state if mark is not None else None


def streams_at(node: NatsNode) -> list[str]:
    return sorted(info.config.name for info in ask(node, lambda js: js.streams_info()))


def test_everything_is_at_the_other_end_and_comes_back_as_it_was(moving: Moving, node: NatsNode) -> None:
    out = moving.done("external")
    assert held(out) == STREAMS
    assert (state_of(mark_of(moving.data)), state_of(mark_at(node))) == (MoveState.MOVED, MoveState.HERE)
    assert moving.done("external")["streams"] == {}
    back = moving.done("embedded")
    assert back["streams"] == out["streams"]
    assert (state_of(mark_of(moving.data)), state_of(mark_at(node))) == (MoveState.HERE, MoveState.MOVED)
    # And there again: what the first move left there is old.
    assert moving.done("external")["streams"] == out["streams"]


def test_with_another_name_the_subjects_are_others_and_nothing_else(moving: Moving, node: NatsNode) -> None:
    moving.queue["name"] = "prod"
    out = moving.done("external")
    assert held(out) == {name.replace("kigeon", "prod", 1): found for name, found in STREAMS.items()}
    (letter,) = [ask(node, lambda js: js.get_last_msg("prod-dead-letter", "prod.dead-letter.loki.>"))]
    assert {"Kigeon-Reason", "Kigeon-Sequence", "Kigeon-Time"} <= set(letter.headers)
    shutil.rmtree(moving.data)
    back = moving.done("embedded")
    assert held(back) == STREAMS


@pytest.mark.parametrize("to", ["external", "embedded"])
def test_killed_at_any_point_it_is_repeated(moving: Moving, node: NatsNode, to: str) -> None:
    if to == "embedded":
        moving.done("external")
    lines = random.sample(range(3, 15), 2)
    for count in lines:
        seen = 0

        def after(line: str, count: int = count) -> bool:
            nonlocal seen
            seen += line.startswith("{")
            return seen == count

        moving.killed(to, after)
        valid = [
            state not in (MoveState.ARRIVING, MoveState.MOVED)
            for state in (
                state_of(mark_of(moving.data)),
                state_of(mark_at(node)) if streams_at(node) else MoveState.MOVED,
            )
        ]
        assert sum(valid) <= 1, lines
    told = moving.done(to)
    assert not told["streams"] or held(told) == STREAMS
    assert sorted(streams_at(node)) == sorted(STREAMS)


@pytest.mark.parametrize("to", ["external", "embedded"])
def test_killed_between_the_last_two_steps_it_is_finished(moving: Moving, node: NatsNode, to: str) -> None:
    if to == "embedded":
        moving.done("external")
    moving.done(to)
    here = mark_at(node) if to == "external" else mark_of(moving.data)
    assert here is not None
    arriving = Mark(MoveState.ARRIVING, here.id, here.other, here.at, here.follows)
    if to == "external":
        put_mark_at(node, arriving)
    else:
        put_mark(moving.data, arriving)
    told = moving.done(to)
    assert (told["step"], held(told)) == ("finish", STREAMS)
    assert moving.done(to)["step"] == "nothing"


def test_what_came_is_copied_anew_where_it_is_not_what_was_sent(moving: Moving, node: NatsNode) -> None:
    moving.done("external")
    here = mark_at(node)
    assert here is not None
    put_mark_at(node, Mark(MoveState.ARRIVING, here.id, here.other, here.at))
    ask(node, lambda js: js.delete_msg("kigeon-events", 300))
    told = moving.done("external")
    assert held(told) == STREAMS
    assert mark_at(node) is not None
    assert ask(node, lambda js: js.get_msg("kigeon-events", 300)).seq == 300


def test_a_move_that_was_killed_is_undone(moving: Moving, node: NatsNode) -> None:
    assert moving.killed("external", lambda line: "kigeon-outcomes" in line)
    assert state_of(mark_at(node)) is MoveState.ARRIVING
    moving.done("external", "--undo")
    assert mark_of(moving.data) is None
    assert streams_at(node) == []
    assert "nothing is to be undone" in moving.refusal("external", "--undo")
    moving.done("external")
    assert moving.killed("embedded", lambda line: "kigeon-outcomes" in line)
    assert (state_of(mark_of(moving.data)), state_of(mark_at(node))) == (MoveState.ARRIVING, MoveState.LEAVING)
    moving.done("embedded", "--undo")
    assert (mark_of(moving.data), state_of(mark_at(node))) == (None, MoveState.HERE)
    assert not (moving.data / "jetstream").exists()
    assert held(moving.done("embedded")) == STREAMS


def test_a_move_that_fails_is_given_up_by_itself(moving: Moving, node: NatsNode) -> None:
    """Somebody makes a stream in the midst of it."""
    said, config = "", StreamConfig(name="kigeon-seen", subjects=["orders"])

    def interfere(line: str) -> bool:
        nonlocal said
        said += line
        if '"stream":"kigeon-events"' in line and "kigeon-seen" not in streams_at(node):
            ask(node, lambda js: js.add_stream(config))
        return False

    with pytest.raises(AssertionError):
        moving.killed("external", interfere)
    assert "the stream kigeon-seen can't be restored: stream name already in use" in said
    # It is not the queue's: its subjects are others.
    assert (mark_of(moving.data), streams_at(node)) == (None, ["kigeon-seen"])
    assert "the stream kigeon-seen is not kigeon's" in moving.refusal("external")
    ask(node, lambda js: js.delete_stream("kigeon-seen"))
    assert held(moving.done("external")) == STREAMS


def test_what_is_in_the_way_is_said_and_nothing_is_changed(moving: Moving, node: NatsNode, tmp_path: Path) -> None:
    nobody = Moving(tmp_path / "other", tmp_path / "empty", moving.queue)
    assert "holds no queue, nothing is to be moved" in nobody.refusal("external")
    assert "holds no queue, nothing is to be moved" in nobody.refusal("embedded")
    with DirectoryLock(moving.data):
        assert "is in use by another kigeon" in moving.refusal("external")
    moving.queue["eventsMaxBytes"] = "4Mi"
    url, moving.queue["url"] = moving.queue["url"], "nats://127.0.0.1:1"
    assert "check queue.url" in moving.refusal("external")
    moving.queue["url"] = url
    assert (mark_of(moving.data), streams_at(node)) == (None, [])
    del moving.queue["url"]
    assert "queue.url: is required by `kigeon move`" in moving.refusal("external", status=2)
    moving.queue |= {"url": url, "eventsMaxBytes": "64Mi"}
    moving.done("external")
    another = Moving(tmp_path / "another", tmp_path / "second", moving.queue)
    shutil.copytree(moving.data / "jetstream", another.data / "jetstream")
    assert "is not empty: a queue lies there already" in another.refusal("external")
    assert "is not empty: a queue lies there already" in another.refusal("embedded")
    assert (state_of(mark_at(node)), mark_of(another.data)) == (MoveState.HERE, None)


def test_every_reason_against_it_is_said_at_once(tmp_path: Path, moving: Moving) -> None:
    limits = "accounts { A { jetstream: { max_file: 100MB, max_streams: 3 }, users: [{user: kigeon, password: pw}] } }"
    with NatsNode(tmp_path / "small", more=limits) as small:
        (tmp_path / "user").write_text("kigeon")
        (tmp_path / "password").write_text("pw")
        moving.queue |= {"url": small.url, "usernameFile": str(tmp_path / "user")}
        moving.queue |= {"passwordFile": str(tmp_path / "password"), "eventsMaxBytes": "4Mi"}
        said = moving.refusal("external")
    assert "the account may store 100Mi more" in said
    assert "the account may have 3 streams more, and kigeon needs" in said
    assert said.count("\n") >= 1
    assert mark_of(moving.data) is None


def test_a_right_that_is_missing_is_named(tmp_path: Path, moving: Moving) -> None:
    granted = 'publish: ["$JS.API.>", "kigeon.>", "$KV.kigeon-state.>", "_INBOX.>"], '
    granted += 'subscribe: ["kigeon.operate.*", "_INBOX.>"]'
    account = (
        "accounts {{ A {{ jetstream: enabled, users: [{{user: kigeon, password: pw, permissions: {{ {} }} }}] }} }}"
    )
    (tmp_path / "user").write_text("kigeon")
    (tmp_path / "password").write_text("pw")
    moving.queue |= {"usernameFile": str(tmp_path / "user"), "passwordFile": str(tmp_path / "password")}
    with NatsNode(tmp_path / "narrow", more=account.format(granted)) as narrow:
        moving.queue["url"] = narrow.url
        said = moving.refusal("external")
    assert "no right to publish to $JS.SNAPSHOT.RESTORE.kigeon-events.check" in said
    more = granted.replace('"_INBOX.>"],', '"_INBOX.>", "$JS.SNAPSHOT.RESTORE.>"],')
    with NatsNode(tmp_path / "enough", more=account.format(more)) as enough:
        moving.queue["url"] = enough.url
        assert held(moving.done("external")) == STREAMS


def test_the_mark_lasts_while_kigeon_declares_its_streams(moving: Moving, node: NatsNode) -> None:
    """An administrator's notes, and what kigeon does not know of a stream's configuration, as well."""
    moving.done("external")
    info = orjson.loads(ask(node, lambda js: js._nc.request("$JS.API.STREAM.INFO.kigeon-events", b"")).data)
    info["config"] |= {"description": "ours", "metadata": {**info["config"]["metadata"], "team": "a"}}
    ask(node, lambda js: js._nc.request("$JS.API.STREAM.UPDATE.kigeon-events", orjson.dumps(info["config"])))
    moving.done("embedded")
    config = ask(node, lambda js: js.stream_info("kigeon-events")).config
    assert (config.description, config.metadata["team"]) == ("ours", "a")
    assert state_of(mark_at(node)) is MoveState.MOVED


def test_all_of_a_store_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jetstream" / "streams").mkdir(parents=True)
    (tmp_path / "jetstream" / "streams" / "1.blk").write_bytes(b"block")
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(str(Path(f"/proc/self/fd/{file}").readlink())))
    sync_tree(tmp_path / "jetstream")
    folders = [tmp_path, tmp_path / "jetstream", tmp_path / "jetstream" / "streams"]
    assert sorted(synced) == sorted(map(str, [*folders, folders[-1] / "1.blk"]))


def test_what_was_written_of_replicas_alone_stays_behind(moving: Moving, node: NatsNode) -> None:
    """Then there are fewer messages than the source says, in fewer sequences."""
    moving.done("external")

    async def lead(js: JetStreamContext) -> None:
        for number in range(3):
            await js.publish(f"$KV.kigeon-state.replicas.lease.{number}", b'{"left": true}')

    async def forget(js: JetStreamContext) -> None:
        await js.purge_stream("KV_kigeon-state", seq=1773)

    ask(node, lead)
    back = moving.done("embedded")
    assert held(back)["KV_kigeon-state"] == (4, 1, 1775)
    moving.done("external")
    ask(node, lead)
    ask(node, forget)
    assert held(moving.done("embedded"))["KV_kigeon-state"] == (0, 1779, 1778)
