"""What a destination holds of what was sent: each loss is found, and what came too late for its stream is none."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from kigeon.config.settings import GlobalSettings, HookSettings, SenderSettings, Settings
from kigeon.errors import SenderError
from kigeon.hooks.demand import Demand
from kigeon.operator.admin_socket import RequestContext
from kigeon.operator.presence import Presence, look_up_presence
from kigeon.operator.spool import Spool
from kigeon.queue.broker.address import QueueAddress
from kigeon.senders.entry import PushStatus
from kigeon.senders.loki.inventory import LokiInventory
from kigeon.senders.loki.settings import LokiSettings
from kigeon.senders.loki.sink import LokiSink
from tests.support.events import make_event
from tests.support.loki import Loki
from tests.support.operating import SilentAnswer
from tests.support.processes import children


def looked_up(
    folder: Path, loki: Loki, raw: list[bytes], asked: bytearray, hook: HookSettings | None = None
) -> list[Presence | None]:
    """Return what is found of *raw* events, given page by page."""
    sender = SenderSettings("loki", "loki", None, hook, LokiSettings(loki.url, stream_labels={"app": "kigeon"}))
    order = RequestContext(Settings((sender,), GlobalSettings(data_dir=folder)), QueueAddress("", ""), None)
    with Spool(folder) as spool:
        for start in range(0, len(raw), 7):
            spool.add(raw[start : start + 7])
        looking = look_up_presence(order, sender, LokiInventory(), spool, asked, SilentAnswer())
        return [Presence.of(code) for code in asyncio.run(looking)]


def test_each_loss_is_found_and_a_late_line_is_none(tmp_path: Path) -> None:
    """Of 30 events three are missing, four came late, one is there twice, one thrice, and one was not sent."""
    with Loki() as loki:
        settings = LokiSettings(loki.url, stream_labels={"app": "kigeon"})
        sink = LokiSink(settings)
        events = [make_event(number, namespace=f"team-{number % 3}", count=number * 30) for number in range(30)]
        entries = [sink.entry(event, None) for event in events]
        late = [entry._replace(stream=(*entry.stream, ("late", "2026-11-24T09"))) for entry in entries]
        later = [entry._replace(stream=(*entry.stream, ("late", "2026-11-24T10"))) for entry in entries]
        pushed = [*entries[3:20], *late[20:24], *entries[24:29], late[5], late[6], later[6]]
        assert sink.push(entries[0].destination, pushed).status is PushStatus.DELIVERED
        sink.close()
        asked = bytearray(number != 29 for number in range(30))
        found = looked_up(tmp_path, loki, [orjson.dumps(event) for event in events], asked)
    assert found[:3] == [Presence.MISSING] * 3
    assert (found[5], found[6], found[29]) == (Presence.DOUBLED, Presence.DOUBLED, None)
    assert Counter(found) == {Presence.MISSING: 3, Presence.ONCE: 24, Presence.DOUBLED: 2, None: 1}


def test_the_hooks_workers_end_when_the_streams_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, and before anything of a destination is read."""
    monkeypatch.setattr(Demand, "workers", lambda demand, events: 2)
    hook = HookSettings(tmp_path / "hook.star", workers=2)
    hook.script.write_text("def transform(config, event):\n    return config\n")
    before = set(children(os.getpid()))
    left: list[int] = []

    class Asked(LokiInventory):
        def held(self) -> Iterator[tuple[str, Iterator[int | None]]]:
            left.extend(set(children(os.getpid())) - before)
            yield from super().held()

    monkeypatch.setattr("tests.operator.test_presence.LokiInventory", Asked)
    raw = [orjson.dumps(make_event(number)) for number in range(30)]
    with Loki() as loki:
        assert looked_up(tmp_path, loki, raw, bytearray([1] * 30), hook) == [Presence.MISSING] * 30
    assert left == []


def test_a_loki_that_does_not_answer_is_said(tmp_path: Path) -> None:
    with Loki() as loki:
        pass
    with pytest.raises(SenderError):
        looked_up(tmp_path, loki, [orjson.dumps(make_event(1))], bytearray([1]))
