"""The Sender as an object: what it tells of its engine, and how it ends."""

import asyncio
import os
from collections.abc import Mapping
from typing import Any

import pytest

from actors.messages import BrokerFailing, ChildSpec, Ping, Pong
from actors.sender import Sender
from tests.support.actors import ASKER, SENDER, ActorHarness, MakeActor

Made = ActorHarness[Sender]


class RecordingEngine:
    """Stands for the engine, and for what keeps the namespaces' labels: notes the order in which they end."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def report(self) -> Mapping[str, Any]:
        return {"sent": 3}

    async def save(self) -> None:
        self.ended.append("labels")

    async def drain(self) -> None:
        self.ended.append("engine")


@pytest.fixture
def made(make: MakeActor) -> Made:
    """One that was started with the text of a hook."""
    made = make(Sender)
    made.start(ChildSpec("sender/out", "", sender=SENDER, script="loaded"))
    return made


def working(made: Made) -> RecordingEngine:
    """Let *made* have an engine."""
    engine = RecordingEngine()
    made.actor._engine = engine  # type: ignore[assignment]
    made.actor._labels = engine  # type: ignore[assignment]
    return engine


def test_it_reports_before_its_engine_is_open(made: Made) -> None:
    assert made.report() == {"sender": True, "troubles": [], "process": os.getpid()}


def test_it_reports_its_engines_accounts(made: Made) -> None:
    working(made)
    assert made.report() == {"sender": True, "sent": 3, "troubles": [], "process": os.getpid()}


def test_it_tells_the_hooks_text_in_use(made: Made) -> None:
    report = {"sender": True, "troubles": [], "process": os.getpid()}
    assert made.receive(Ping(1)) == [(ASKER, Pong(1, "sender/out", os.getpid(), report, "loaded"))]
    made.actor._took("newer")
    ((_, pong),) = made.receive(Ping(2))
    assert pong.script == "newer"


def test_a_server_that_does_not_store_is_told_to_the_supervisor(made: Made) -> None:
    made.actor._alarm("full")
    assert made.handle() == [("supervisor", BrokerFailing("full"))]


def test_it_finishes_before_it_has_begun(made: Made) -> None:
    asyncio.run(made.actor.finish(1.0))


def test_it_keeps_the_labels_and_sends_what_can_be_sent(made: Made) -> None:
    engine = working(made)
    asyncio.run(made.actor.finish(1.0))
    assert engine.ended == ["labels", "engine"]


def test_it_does_not_work_without_a_senders_settings(make: MakeActor) -> None:
    made = make(Sender)
    made.start(ChildSpec("sender/out", ""))
    with pytest.raises(ValueError, match="a sender's settings"):
        asyncio.run(made.actor.work())
