"""The process that the actors of the pipeline share: Watcher, Deduplicator and Queue.

A batch passes all three, and each does little about it. On an ordinary day what a batch costs is the wakes of
processes that have slept; beside it stands what each interpreter takes of memory (``docs/performance.md`` has both for
three processes and for one). What one of the three loses with its process, the others would have to do again anyway:
they begin a new epoch together.

Each *resident* is an actor as any other, with handlers, a report and a tenure of its own. The Host hands it what comes
for it, and carries what it sends: to another resident at once, without a copy, after the handler has returned; to all
others by Thespian. A failure of one ends the process, as everywhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from actors.base import KigeonActor, crash
from actors.loop import Loop
from actors.messages import ChildSpec, Ping, Start
from actors.places import Hosted, Place
from kigeon.config.settings import GlobalSettings
from kigeon.roles import PIPELINE


@dataclass(frozen=True, slots=True)
class Posted:
    """An *item* that the loop or a thread has posted for *resident*."""

    resident: KigeonActor
    item: object


class Host(KigeonActor):
    """Owns the process and the loop of its residents; a ``Start`` lets one move in."""

    CALLED = PIPELINE

    def __init__(self, capabilities: Any = None) -> None:
        super().__init__(capabilities)
        self._residents: dict[str, KigeonActor] = {}
        self._mail: deque[tuple[Hosted, Any]] = deque()

    def receiveMsg_Hosted(self, message: Hosted, sender: Any) -> None:
        """Hand it to the resident, and whatever residents send to each other because of it."""
        self._mail.append((message, sender))
        self._deliver()

    def posted(self, item: Any) -> None:
        """Hand what a resident's loop has posted to the resident."""
        if isinstance(item, Posted):
            item.resident.take_posted(item.item)
            self._deliver()

    # ------------------------------------------------------------------------------------------- for the residents

    def begin_process(self, settings: GlobalSettings, context: Mapping[str, str]) -> Loop:
        """Return the loop that all residents share; each adds its own *context* to its records."""
        if self.loop is None:
            self.loop = super().begin_process(settings, {"actor": self.name})
        return self.loop

    def post_for(self, resident: KigeonActor, item: object) -> None:
        """Have *item* handed to *resident* in the actors' thread. Any thread may call this."""
        self.post(Posted(resident, item))

    def send_for(self, resident: KigeonActor, target: Any, message: Any) -> None:
        """Send *message* in the name of *resident*, from one of its handlers."""
        if isinstance(target, Place) and target.host == self.myAddress:
            self._mail.append((Hosted(target.name, message), Place(self.myAddress, resident.name)))
        else:
            self.send(target, message)

    def _deliver(self) -> None:
        while self._mail:
            hosted, sender = self._mail.popleft()
            resident = self._residents.get(hosted.name)
            if isinstance(hosted.message, Start) and resident is None:
                resident = self._move_in(hosted.message.spec)
            if resident is not None:
                resident.take(hosted.message, sender)
            elif isinstance(hosted.message, Ping) and hosted.message.nonce > 0:
                # The Ping with nonce 0 is sent with Start, and may overtake it, as other messages may.
                crash(f"the Start of {hosted.name} was lost")

    def _move_in(self, spec: ChildSpec) -> KigeonActor:
        module, _, kind = spec.actor.rpartition(".")
        resident: KigeonActor = getattr(import_module(module), kind)()
        resident.move_in(self, spec)
        self._residents[spec.name] = resident
        return resident
