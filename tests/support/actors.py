"""An actor as an object: a test hands it messages, and sees what it sends. No process, no loop, no time that passes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Generic, TypeVar

import pytest
from thespian.actors import WakeupMessage, WatchMessage

from actors import base, host, supervisor, watcher
from actors.base import KigeonActor
from actors.messages import ChildSpec, QueueAddress, Start
from actors.places import Place
from kigeon.config.settings import SenderSettings, Settings

A = TypeVar("A", bound=KigeonActor)

SENDER = SenderSettings("out", "stdout")
SETTINGS = Settings((SENDER,))
QUEUE = QueueAddress("nats://127.0.0.1:1", "secret")
HERE = "here"
"""The address of the process of every actor as an object."""
ASKER = "asker"
"""The address that a message comes from where a test does not say another."""


PIPELINE = ("watcher", "deduplicator", "queue")


def at(name: str, process: str = "") -> Any:
    """Return the address of the child *name*; that of its *process* is the same name unless a test says another."""
    return Place(process or name, name) if name in PIPELINE else process or name


class Crashed(Exception):
    """The actor would have ended its process; the reason."""


class ManualTime:
    """Stands for the module ``time``: it passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Return the time."""
        return self.now

    def time(self) -> float:
        """Return the time."""
        return self.now


@dataclass(slots=True)
class RecordedTimer:
    """An action that an actor's loop was to call in so many seconds."""

    seconds: float
    action: Callable[[], None]
    is_cancelled: bool = False

    def cancel(self) -> None:
        """Note it."""
        self.is_cancelled = True


class RecordingLoop:
    """Stands for an actor's loop: keeps what it is to run until a test has it run."""

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        self.spawned: list[Coroutine[Any, Any, None]] = []
        self.timers: list[RecordedTimer] = []

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Keep *work*."""
        self.spawned.append(work)

    def after(self, seconds: float, action: Callable[[], None]) -> RecordedTimer:
        """Keep *action*, and in how many *seconds* it is to be called."""
        self.timers.append(RecordedTimer(seconds, action))
        return self.timers[-1]

    def run(self) -> None:
        """Run what was kept, one after the other."""
        spawned, self.spawned = self.spawned, []
        for work in spawned:
            asyncio.run(work)

    def drop(self) -> None:
        """Run nothing of what was kept."""
        while self.spawned:
            self.spawned.pop().close()


class ActorHarness(Generic[A]):
    """One actor whose sends, children and wishes to be woken are recorded."""

    def __init__(self, kind: type[A]) -> None:
        self.created: list[type[KigeonActor]] = []
        """The classes of its children: the first has ``address-1`` and process 101."""
        self.wakeups: list[WakeupMessage] = []
        self._sent: list[tuple[Any, Any]] = []
        self._child_procs: list[SimpleNamespace] = []
        self.actor = kind()
        # In Thespian's place.
        self.actor.send = self._send  # type: ignore[method-assign]
        self.actor.createActor = self._create
        self.actor.wakeupAfter = lambda period, payload=None: self.wakeups.append(WakeupMessage(period, payload))
        self.address = HERE
        self.actor._myRef = self

    def _send(self, targetAddr: Any, msg: Any) -> None:  # noqa: N803 - Thespian's names
        self._sent.append((targetAddr, msg))

    def _create(self, kind: type[KigeonActor]) -> str:
        self.created.append(kind)
        number = len(self.created)
        self._child_procs.append(SimpleNamespace(childProc=SimpleNamespace(pid=100 + number)))
        return f"address-{number}"

    @property
    def loop(self) -> RecordingLoop:
        """The actor's loop."""
        loop: Any = self.actor.loop
        assert isinstance(loop, RecordingLoop)
        return loop

    def start(self, spec: ChildSpec | None = None, settings: Settings = SETTINGS, **fields: Any) -> None:
        """Have the actor started by "supervisor"; what it is to work at does not begin."""
        spec = spec or ChildSpec(type(self.actor).__name__.lower(), "")
        assert self.receive(Start(spec, settings, QUEUE, **fields), "supervisor") == []
        self.loop.drop()

    def receive(self, message: Any, sender: Any = ASKER) -> list[tuple[Any, Any]]:
        """Hand *message* to the actor as Thespian does; return what it sent since it was last asked, and to whom."""
        assert self.actor.receiveMessage(message, sender).filenos
        return self.take()

    def handle(self, *items: object) -> list[tuple[Any, Any]]:
        """Have *items* posted by the actor's loop, and handled in its thread; return what it sent."""
        for item in items:
            self.actor.post(item)
        return self.receive(WatchMessage([]))

    def wake(self) -> list[tuple[Any, Any]]:
        """Wake the actor as it wished last; return what it sent."""
        return self.receive(self.wakeups[-1], None)

    def take(self) -> list[tuple[Any, Any]]:
        """Return what was sent, and to whom, since this was last asked for."""
        sent, self._sent = self._sent, []
        return sent

    def report(self) -> Mapping[str, Any]:
        """Return what the actor tells of itself."""
        return self.actor.report()

    def close(self) -> None:
        """Drop what is left to run, close what is open."""
        if self.actor.loop is not None:
            self.loop.drop()
        self.actor._mailbox.close()


MakeActor = Callable[[type[KigeonActor]], ActorHarness[Any]]
"""Makes an actor of a class, for as long as a test lasts."""


def crash(reason: str, error: BaseException | None = None) -> None:
    """Raise :class:`Crashed` where the process would end."""
    raise Crashed(reason) from error


def detach(monkeypatch: pytest.MonkeyPatch) -> ManualTime:
    """Let actors leave this process alone (its end, its logs, other processes), and the time to a test."""
    time = ManualTime()
    for module in (base, supervisor, watcher):
        monkeypatch.setattr(module, "time", time)
    for module in (base, host, watcher):
        monkeypatch.setattr(module, "crash", crash)
    for module in (base, supervisor):
        monkeypatch.setattr(module, "configure", lambda *_, **__: None)
    monkeypatch.setattr(base, "Loop", RecordingLoop)
    return time
