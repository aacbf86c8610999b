"""Inside kigeon's own processes: what a test has armed happens at the points where actors meet Thespian.

A fault is an empty file ``ACTION@POINT.COUNTER`` in a directory; it is renamed into ``fired/`` when it happens, so that
it happens once. One whose counter is ``always`` stays. Points:

- ``Kind@receiver``: a message of that class is about to be handled. ``raise``, ``memory`` (MemoryError), ``drop``,
  ``delay`` (it is handled :data:`DELAY` seconds later, after those that came meanwhile), ``double``.
- ``init@class``, ``work@actor``: an actor is made, or begins its work. ``raise``.
- ``publish@subject``: a message is about to be stored in JetStream. ``timeout``: it is not, in time.

A slash in an actor's name is a colon in a file's.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext
from thespian.actors import ActorSystem

from actors import base, deduplicator, queue, sender, supervisor, watcher

DELAY = 1.2
"""Seconds: longer than the actors wait for a message that was overtaken."""

ACTORS = (watcher.Watcher, deduplicator.Deduplicator, queue.Queue, sender.Sender, supervisor.Supervisor)

_dispatch = base.KigeonActor.handle
_listen, _ask = ActorSystem.listen, ActorSystem.ask
_publish = JetStreamContext.publish


class Injected(Exception):
    """What an armed fault raises."""


class Faults:
    """The directory of armed faults."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fire(self, point: str) -> str:
        """Return the action that is armed at *point*, and disarm it; "" when there is none."""
        wanted = point.replace("/", ":")
        for name in sorted(os.listdir(self._folder)):  # noqa: PTH208 - for each message: it has to be quick
            action, _, rest = name.partition("@")
            where, _, counter = rest.rpartition(".")
            if where == wanted and self._take(name, counter):
                return action
        return ""

    def raise_at(self, point: str) -> None:
        """Raise what is armed at *point*."""
        _raise(self.fire(point), point)

    def _take(self, name: str, counter: str) -> bool:
        fired = self._folder / "fired" / name
        if counter == "always":
            fired.touch()
            return True
        try:
            (self._folder / name).rename(fired)
        except FileNotFoundError:
            return False
        return True


def _raise(action: str, point: str) -> None:
    if action == "raise":
        raise Injected(point)
    if action == "memory":
        raise MemoryError(point)


class Dispatch:
    """Stands before the handlers of one process's actor."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._held: list[tuple[float, Any, Any]] = []

    def __call__(self, actor: Any, message: Any, sender: Any) -> None:
        """Handle *message*, and what is held back and due."""
        self._handle(actor, message, sender)
        for held in [held for held in self._held if held[0] <= time.monotonic()]:
            self._held.remove(held)
            _dispatch(actor, *held[1:])

    def _handle(self, actor: Any, message: Any, sender: Any) -> None:
        kind = type(message).__name__
        point = f"{kind}@{message.spec.name if kind == 'Start' else actor.name}"
        action = self._faults.fire(point)
        _raise(action, point)
        if action == "delay":
            self._held.append((time.monotonic() + DELAY, message, sender))
        for _ in range({"drop": 0, "delay": 0, "double": 2}.get(action, 1)):
            _dispatch(actor, message, sender)


class RootEar:
    """Stands before what the root is told."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._again: list[Any] = []

    def listen(self, system: Any, timeout: float) -> Any:
        """Return what comes next."""
        deadline = time.monotonic() + timeout
        return self._again.pop() if self._again else self._filter(system, _listen(system, timeout), deadline)

    def ask(self, system: Any, address: Any, message: Any, timeout: float) -> Any:
        """Return the answer."""
        deadline = time.monotonic() + timeout
        return self._filter(system, _ask(system, address, message, timeout), deadline)

    def _filter(self, system: Any, message: Any, deadline: float) -> Any:
        action = self._faults.fire(f"{type(message).__name__}@root") if message is not None else ""
        if action == "drop":
            return self.listen(system, max(deadline - time.monotonic(), 0.0))
        if action == "delay":
            time.sleep(DELAY)
        if action == "double":
            self._again.append(message)
        return message


def install(folder: str, tuning: str) -> None:
    """Put everything in place; *tuning* is JSON: other values for modules' constants, ``{module: {name: value}}``."""
    faults = Faults(Path(folder))
    dispatch, ear = Dispatch(faults), RootEar(faults)
    base.KigeonActor.handle = (  # type: ignore[method-assign]
        lambda self, message, sender: dispatch(self, message, sender)
    )
    ActorSystem.listen = _bound(ear.listen)
    ActorSystem.ask = _bound(ear.ask)
    base.KigeonActor.__init__ = _failing_init(base.KigeonActor.__init__, faults)  # type: ignore[method-assign]
    for kind in ACTORS:
        kind.work = _failing_work(kind.work, faults)  # type: ignore[method-assign]
    JetStreamContext.publish = _failing_publish(faults)  # type: ignore[method-assign]
    for module, values in json.loads(tuning).items():
        for name, value in values.items():
            setattr(import_module(module), name, value)


def _bound(method: Callable[..., Any]) -> Callable[..., Any]:
    return lambda system, *args: method(system, *args)


def _failing_init(original: Callable[..., None], faults: Faults) -> Callable[..., None]:
    # Thespian looks at the arguments' names.
    @wraps(original)
    def init(self: Any, capabilities: Any = None) -> None:
        original(self, capabilities)
        faults.raise_at(f"init@{type(self).__name__.lower()}")

    return init


def _failing_work(original: Callable[..., Any], faults: Faults) -> Callable[..., Any]:
    async def work(self: Any) -> None:
        faults.raise_at(f"work@{self.name}")
        await original(self)

    return work


def _failing_publish(faults: Faults) -> Callable[..., Any]:
    async def publish(self: JetStreamContext, subject: str, *args: Any, **kwargs: Any) -> Any:
        if faults.fire(f"publish@{subject}") == "timeout":
            raise NatsTimeout
        return await _publish(self, subject, *args, **kwargs)

    return publish
