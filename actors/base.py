"""The base of every actor of kigeon.

*Let it crash.* An exception in a handler is logged and ends the process. The Supervisor replaces the process, and the
protocol between the actors sends lost messages again. (Thespian would call the handler a second time with the same
message.) The same holds for the actor's loop (:mod:`actors.loop`): an asyncio event loop for everything that waits,
which turns in the actor's thread while no message is there. Handlers run outside of it; :meth:`KigeonActor.post` hands
an object from the loop, or from a thread, to the actor (:mod:`actors.mailbox`).

An actor has a process of its own, or shares one, and its loop, with others (:mod:`actors.host`).

Lifecycle, in this order: ``Start`` → :meth:`started` (and :meth:`work` in the loop) → messages → ``Stop`` →
:meth:`finish` in the loop → ``Stopped``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import Context, copy_context
from typing import Any, Protocol

from thespian.actors import ActorTypeDispatcher, ThespianWatch, WatchMessage

from actors.loop import Loop
from actors.mailbox import Mailbox
from actors.messages import ChildSpec, Ping, Pong, Start, Stop, Stopped, Tenured
from actors.places import Hosted, Place
from actors.transport import UnixTransport, register
from kigeon.config.settings import GlobalSettings
from kigeon.observability.logs import bind, configure, speaking_as
from kigeon.processes import crash_on_fatal_signals, give_memory_back
from kigeon.tenure import Tenure

log = logging.getLogger(__name__)

CRASHED = 70
"""Exit status of an actor that crashed."""

TIDY_EVERY = 10.0
"""Seconds after which freed memory, for example after a backlog, is given back to the kernel."""

# Thespian replaces logging's root in each process by one that sends records as messages. These are the original ones,
# which are put back: each process writes its records straight to standard error.
_ROOT, _MANAGER = logging.root, logging.Logger.manager

register()


def context_of(spec: ChildSpec) -> dict[str, str]:
    """Return the context of every log record in a child's process: the actor's name, and the sender's."""
    return {"actor": spec.name, **({"sender": spec.sender.name} if spec.sender is not None else {})}


def crash(reason: str, error: BaseException | None = None) -> None:
    """Log why, and end the process at once."""
    try:
        log.error("the actor crashed, it will be replaced", extra={"reason": reason}, exc_info=error)
    finally:
        # Logging may fail for lack of memory: Thespian would then handle the message again, in a broken process.
        os._exit(CRASHED)


def guarded(reason: str, action: Callable[..., None], *arguments: Any) -> None:
    """Call *action*; crash for *reason* if it raises anything."""
    try:
        action(*arguments)
    except BaseException as error:  # noqa: BLE001 - an actor that failed ends: there is nothing to let through
        crash(reason, error)


def _crash_of_a_thread(failed: threading.ExceptHookArgs) -> None:
    """Crash; the record says of which actor the thread was."""
    context: Context = getattr(failed.thread, "context", None) or copy_context()
    context.run(crash, "a thread failed", failed.exc_value)


def enter_process(name: str) -> None:
    """Set up a process that Thespian has forked for the actor *name*: signals, logs, and crashes of threads."""
    crash_on_fatal_signals()
    # The root decides when to end; a terminal's Ctrl-C, or a service manager's signal, reaches every process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logging.root, logging.Logger.root, logging.Logger.manager = _ROOT, _ROOT, _MANAGER
    threading.excepthook = _crash_of_a_thread
    # The process inherited its parent's handlers, and may crash before Start tells its name.
    bind({"actor": name})


class Home(Protocol):
    """The process of an actor that shares one."""

    def begin_process(self, settings: GlobalSettings, context: Mapping[str, str]) -> Loop:
        """Return the loop of the process, which begins with the first of its actors."""

    def post_for(self, resident: KigeonActor, item: object) -> None:
        """Have *item* handed to *resident* in the actors' thread."""

    def send_for(self, resident: KigeonActor, target: Any, message: Any) -> None:
        """Send *message* in the name of *resident*."""

    def tidy(self) -> None:
        """Give freed memory back, from time to time."""


class KigeonActor(ActorTypeDispatcher):  # type: ignore[misc]
    """An actor that is told who it is by ``Start``, answers ``Ping``, and finishes on ``Stop``."""

    CALLED = ""
    """The name of the actor before its Start, if that of its class is not."""

    def __init__(self, capabilities: Mapping[str, Any] | None = None) -> None:
        """Make the actor: with *capabilities* in a process of its own, otherwise only as an object.

        Thespian, which has forked the process, passes them to a constructor that has an argument of this name.
        """
        self.name = self.CALLED or type(self).__name__.lower()
        if capabilities is not None:
            enter_process(self.name)
        self.supervisor: Any = None
        self.loop: Loop | None = None
        self.tenure = Tenure()
        self._home: Home | None = None
        self._context: Context | None = None
        self._tidied_at = time.monotonic()
        self._mailbox = Mailbox()

    # ------------------------------------------------------------------------------------- for the actors to define

    def started(self, start: Start) -> None:
        """Begin. Called once, in the actor's thread, before :meth:`work`."""

    async def work(self) -> None:
        """Do the work that waits. Runs in the loop from the start on; an exception crashes the actor."""

    async def finish(self, grace: float) -> None:
        """Finish the work that was begun. Runs in the loop, and is cut off after *grace* seconds."""

    def posted(self, item: Any) -> None:
        """Handle an *item* that the loop or a thread has posted. Runs in the actor's thread."""

    def report(self) -> Mapping[str, Any]:
        """Return the actor's report about itself. Runs in the actor's thread."""
        return {}

    def script(self) -> str | None:
        """Return the hook's text with which a successor begins. Runs in the actor's thread."""
        return None

    # --------------------------------------------------------------------------------------------- from any thread

    def post(self, item: object) -> None:
        """Pass *item* to :meth:`posted` in the actor's thread. Any thread may call this."""
        if self._home is not None:
            self._home.post_for(self, item)
        else:
            self._mailbox.post(item)

    # --------------------------------------------------------------------------------------- for and from Thespian

    def send(self, targetAddr: Any, msg: Any) -> None:  # noqa: N803 - Thespian's names
        """Send a message: at most once."""
        if self._home is not None:
            self._home.send_for(self, targetAddr, msg)
            return
        if isinstance(targetAddr, Place):
            targetAddr, msg = targetAddr.host, Hosted(targetAddr.name, msg)  # noqa: N806
        transport = self._transport()
        if transport is None or not transport.carry(targetAddr, msg):
            super().send(targetAddr, msg)

    def _transport(self) -> UnixTransport | None:
        transport = getattr(getattr(self, "_myRef", None), "transport", None)
        return transport if isinstance(transport, UnixTransport) else None

    def receiveMessage(self, message: Any, sender: Any) -> ThespianWatch:
        """Dispatch *message*, and return the watch, which Thespian wants after every message."""
        if isinstance(message, WatchMessage):
            for item in self._mailbox.take():
                self.take_posted(item)
        else:
            self.take(message, sender)
        return ThespianWatch([self._mailbox.fileno()])

    def take(self, message: Any, sender: Any) -> None:
        """Handle *message*; crash where that fails."""
        self._within(f"handling {type(message).__name__} failed", self.handle, message, sender)

    def take_posted(self, item: object) -> None:
        """Handle what the loop or a thread has posted; crash where that fails."""
        self._within("handling what was posted failed", self._handle_posted, item)

    def handle(self, message: Any, sender: Any) -> None:
        """Call the handler of *message*: Thespian looks for it in every class of the actor and of the message."""
        handler = getattr(self, f"receiveMsg_{type(message).__name__}", None)
        if handler is not None:
            handler(message, sender)
        else:
            super().receiveMessage(message, sender)

    def receiveMsg_Start(self, message: Start, sender: Any) -> None:
        """Begin to work."""
        if self.loop is not None:
            return
        self.name = message.spec.name
        self.supervisor = sender
        self.tenure.begin(message.until)
        settings, context = message.settings.global_, context_of(message.spec)
        self.loop = (self._home or self).begin_process(settings, context)
        self.started(message)
        self.loop.spawn(self.work())

    def receiveMsg_Ping(self, message: Ping, sender: Any) -> None:
        """Answer that the actor is well, and with it its loop; an actor that never got its Start crashes."""
        if self.loop is not None:
            self.send(sender, Pong(message.nonce, self.name, os.getpid(), self.report(), self.script()))
        elif message.nonce > 0:
            # The Ping with nonce 0 is sent with Start, and may overtake it.
            crash("its Start was lost")
        (self._home or self).tidy()

    def receiveMsg_Tenured(self, message: Tenured, sender: Any) -> None:
        """Go on for longer; whose tenure has ended meanwhile ends."""
        self.tenure.extend(message.until)

    def receiveMsg_Stop(self, message: Stop, sender: Any) -> None:
        """Finish, then answer Stopped."""
        if self.loop is None:
            self.send(sender, Stopped(self.name, {}))
        else:
            self.loop.spawn(self._finish(message.grace, sender))

    def receiveUnrecognizedMessage(self, message: Any, sender: Any) -> None:
        """Log a *message* without a handler, which Thespian would drop silently; its own messages do not matter."""
        if not type(message).__module__.startswith("thespian."):
            log.error("a message has no handler", extra={"type": type(message).__name__})

    # --------------------------------------------------------------------------------------- the process of an actor

    def move_in(self, home: Home, spec: ChildSpec) -> None:
        """Live in the process of *home*, with its loop; nothing has come for this actor yet."""
        self._mailbox.close()
        self._home, self.name = home, spec.name
        self._context = speaking_as(context_of(spec))

    def begin_process(self, settings: GlobalSettings, context: Mapping[str, str]) -> Loop:
        """Begin what a process has once, its logs, of which each record holds *context*, and its loop."""
        configure(settings.log_level, settings.log_format, context=context)
        loop = Loop(lambda error: crash("a task of its loop failed", error))
        if (transport := self._transport()) is not None:
            transport.loop = loop
        return loop

    def tidy(self) -> None:
        """Give freed memory back, from time to time."""
        if time.monotonic() - self._tidied_at >= TIDY_EVERY:
            self._tidied_at = time.monotonic()
            give_memory_back()

    # ------------------------------------------------------------------------------------------------------- inside

    def _within(self, reason: str, action: Callable[..., None], *arguments: Any) -> None:
        """Call *action* as this actor: what is logged meanwhile, and by the tasks that begin, says so."""
        if self._context is None:
            guarded(reason, action, *arguments)
        else:
            self._context.run(guarded, reason, action, *arguments)

    def _handle_posted(self, item: object) -> None:
        if isinstance(item, _Finished):
            self.send(item.asker, Stopped(self.name, self.report()))
        else:
            self.posted(item)

    async def _finish(self, grace: float, asker: Any) -> None:
        try:
            await asyncio.wait_for(self.finish(grace), grace)
        except TimeoutError:
            log.warning("the actor did not finish in time", extra={"grace": grace})
        self.post(_Finished(asker))


class _Finished:
    """The actor has finished; *asker* waits for Stopped."""

    def __init__(self, asker: Any) -> None:
        self.asker = asker
