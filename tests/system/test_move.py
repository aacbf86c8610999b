"""kigeon goes on where its queue was moved to, and does not where it was."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.support.events import assert_once, make_event
from tests.support.http import LISTEN, checks
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.moving import Moving
from tests.support.nats import NatsNode
from tests.support.processes import wait_until
from tests.upgrades.story import MENDED, QUEUE, SENDERS, ends, events_of, key_of, kigeon_of, unpack

KEPT = Path(__file__).parents[1] / "upgrades" / "data" / "0.1.0.tar.gz"


def told(kigeon: Kigeon) -> dict[str, Any]:
    """Return what operators are told: the accounts, and each dead letter."""
    letters = kigeon.ask("dead-letter", "list", "--all")["deadLetters"]
    return {"senders": kigeon.ask("status")["senders"], "letters": sorted(letters, key=lambda letter: letter["id"])}


def is_open(kigeon: Kigeon, senders: tuple[str, ...]) -> bool:
    """Whether each sender has told its accounts."""
    return bool(kigeon.ask("status")["senders"].keys() == set(senders))


def test_what_waits_is_sent_once_after_moves_there_and_back(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    """Sent, waiting, retrying, parked, filtered, skipped: all of it is where it was, to the last figure."""
    loki.limits.max_age = loki.limits.max_behind = float("inf")
    made = unpack(KEPT, tmp_path)
    events = events_of(made["time"])
    (tmp_path / "hook.star").write_text(MENDED)
    api.put_events(events)
    loki.always = lambda tenant: 503
    with NatsNode(tmp_path / "nats") as node:
        queue = {"url": node.url, "name": "prod"}
        moving = Moving(tmp_path, tmp_path / "data", {**QUEUE, **queue}, SENDERS)
        with kigeon_of(tmp_path, api, loki, SENDERS) as before:
            wait_until(lambda: is_open(before, SENDERS), what="its senders")
            known = told(before)
            before.kill_tree()
        assert known["senders"]["loki"]["waiting"] > 0
        assert len(known["letters"]) > 10
        moving.done("external")
        with kigeon_of(tmp_path, api, loki, SENDERS, **queue) as there:
            wait_until(lambda: is_open(there, SENDERS), what="its senders")
            assert told(there) == known
            assert there.stop() == 0
        moving.done("embedded")
        assert loki.lines == []
        loki.always = lambda tenant: 0
        with kigeon_of(tmp_path, api, loki, SENDERS) as back:
            wait_until(lambda: _none_waits(back), 60, "the end of all that waits")
            assert back.ask("dead-letter", "replay", "--all")["problems"] == {}
            wait_until(lambda: _none_waits(back), 60, "the end of all that waits")
            status = back.ask("status")["senders"]
            assert back.stop() == 0
    numbers = range(len(events))
    found = {f"{ends(sender, number)}/{events[number]['metadata']['uid']}" for sender in SENDERS for number in numbers}
    wanted = {key for key in found if not key.startswith("/")} - set(made["held"])
    assert Counter(map(key_of, loki.lines)) == Counter(wanted)
    assert loki.repeats == 0
    assert all(sender["unaccounted"] == sender["evicted"] == 0 for sender in status.values())


def _none_waits(kigeon: Kigeon) -> bool:
    return all(sender["waiting"] == 0 for sender in kigeon.ask("status")["senders"].values())


Events = list[dict[str, Any]]


@pytest.fixture
def events() -> Events:
    """Some of which ten come at first."""
    return [make_event(number) for number in range(13)]


@pytest.fixture
def moving(tmp_path: Path, api: ApiServer, loki: Loki, node: NatsNode, events: Events) -> Moving:
    """The queue of a kigeon that has sent ten events, moved out."""
    api.put_events(events[:10])
    with Kigeon(tmp_path / "kigeon", api, [loki_sender(loki)]) as kigeon:
        loki.wait_for(10)
        assert kigeon.stop() == 0
    moving = Moving(tmp_path, tmp_path / "kigeon" / "data", {"url": node.url})
    moving.done("external")
    return moving


def test_where_it_was_no_kigeon_starts(
    tmp_path: Path, api: ApiServer, loki: Loki, moving: Moving, node: NatsNode
) -> None:
    with Kigeon(tmp_path / "kigeon", api, [loki_sender(loki)]) as kigeon:
        assert kigeon.wait() == 1
    said = kigeon.log_path.read_text().splitlines()[-1]
    assert said.startswith(f"kigeon: global.dataDir {moving.data}: the queue that was here was moved at ")
    assert said.endswith(
        f" to queue.url {node.url}, queue.name kigeon: run kigeon with that, or bring it back with `kigeon move`"
    )
    assert len(loki.lines) == 10


def test_at_an_external_queue_that_was_moved_it_says_so_until_that_is_back(
    tmp_path: Path, api: ApiServer, loki: Loki, moving: Moving, node: NatsNode, events: Events
) -> None:
    moving.done("embedded")
    api.put_events(events[10:11])
    queue = {"url": node.url}
    with Kigeon(tmp_path / "replica", api, [loki_sender(loki)], queue=queue, http=LISTEN) as kigeon:
        message = "the queue is not to be used here, it was moved or is being moved"
        wait_until(lambda: [line for line in kigeon.log() if line["message"] == message], what="an error")
        place = f"global.dataDir {moving.data} of "
        wait_until(lambda: place in checks(kigeon, "/readyz").get("nats-server", ""), what="what is wrong")
        assert "bring it back with `kigeon move`" in checks(kigeon, "/readyz")["nats-server"]
        assert len(loki.lines) == 10
        moving.done("external")
        loki.wait_for(11)
        assert kigeon.stop() == 0
    assert_once(loki.lines, events[:11])


def test_a_queue_that_was_left_behind_is_said(tmp_path: Path, api: ApiServer, loki: Loki, node: NatsNode) -> None:
    (tmp_path / "kigeon" / "data" / "jetstream").mkdir(parents=True)
    with Kigeon(tmp_path / "kigeon", api, [loki_sender(loki)], queue={"url": node.url}) as kigeon:
        message = "the data directory holds a queue, which is not used with queue.url"
        wait_until(lambda: [line for line in kigeon.log() if line["message"] == message], what="a warning")


def test_while_a_kigeon_runs_nothing_is_moved(
    tmp_path: Path, api: ApiServer, loki: Loki, moving: Moving, node: NatsNode, events: Events
) -> None:
    with Kigeon(tmp_path / "replica", api, [loki_sender(loki)], queue={"url": node.url}) as kigeon:
        api.put_events(events[10:11])
        loki.wait_for(11)
        said = moving.refusal("embedded")
        assert "queue.name kigeon: a kigeon runs on it (" in said
        assert "stop all of them first" in said
        api.put_events(events[11:12])
        loki.wait_for(12)
        kigeon.kill_tree()
    # Its lease has to end first.
    moving.done("embedded")
    with Kigeon(tmp_path / "kigeon", api, [loki_sender(loki)]) as kigeon:
        api.put_events(events[12:13])
        loki.wait_for(13)
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)
    assert loki.repeats <= 1
