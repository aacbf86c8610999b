"""Thespian's actors on Unix sockets in a private directory.

Thespian's own transport listens on 0.0.0.0 in every process and unpickles everything that arrives there: anybody who
reaches the port can run code. This module is the same transport on AF_UNIX sockets in a directory that only its owner
may enter, and nothing listens on the network. It uses internals of the pinned version, where noted.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import pickle
import signal
import socket
import sys
from types import ModuleType
from typing import Any

from thespian.actors import ActorAddress, WatchMessage
from thespian.system import multiprocCommon
from thespian.system.addressManager import CannotPickleAddress
from thespian.system.transport import (
    ExternalInterfaceTransportInit,
    ReceiveEnvelope,
    SendStatus,
    Thespian__Run_Expired,
    Thespian__Run_HandlerResult,
    Thespian__Run_Terminated,
    TransmitIntent,
    TransmitOnly,
)
from thespian.system.transport.TCPTransport import ExternalTransportCopy, TCPEndpoint, TCPTransport

from actors import admin
from actors.links import Happened, Links, frame
from actors.loop import Loop
from kigeon.processes import die_with_parent

SYSTEM_BASE = "kigeonUnixBase"
"""The name under which ActorSystem() finds this transport."""

DIRECTORY = "kigeon.directory"
ROOT_PID = "kigeon.root"
_BACKLOG = 1024

_numbers = itertools.count()
_opened: set[UnixTransport] = set()


class UnixAddress:
    """An actor's address for Thespian: the path of its socket."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnixAddress) and self.path == other.path

    def __hash__(self) -> int:
        return hash(self.path)

    def __str__(self) -> str:
        return f"(unix|{os.path.basename(self.path)})"  # noqa: PTH119 - it is text

    @property
    def socketArgs(self) -> tuple[int, int, int]:
        """Arguments of socket()."""
        return socket.AF_UNIX, socket.SOCK_STREAM, 0

    @property
    def connectArgs(self) -> tuple[str]:
        """Arguments of connect()."""
        return (self.path,)

    bindArgs = connectArgs  # noqa: N815 - Thespian's name

    def isLocalAddr(self) -> bool:
        """Return True: every such address is on this machine."""
        return True

    def isSameSystem(self, other: object) -> bool:
        """Return True: every such address is in this actor system."""
        return True


class Received(ReceiveEnvelope):  # type: ignore[misc]
    """A message that has come."""

    def identify(self) -> str:
        """Return what Thespian's own log, which nobody keeps, says of it: a text of all of a batch costs too much."""
        return type(self.message).__name__


class UnixTransport(TCPTransport):  # type: ignore[misc]
    """TCPTransport with Unix sockets; a process that is made for an actor dies with its parent."""

    def __init__(self, kind: Any, *args: Any) -> None:
        super(TCPTransport, self).__init__()
        self._parentAddr = None
        self.txOnly = False
        path = None
        if isinstance(kind, ExternalInterfaceTransportInit):
            self._adminAddr = self.getAdminAddr(args[0])
        elif isinstance(kind, ExternalTransportCopy):
            self._adminAddr = args[0]
        elif isinstance(kind, TCPEndpoint):
            _, assigned, self._parentAddr, self._adminAddr, _, _ = kind.args
            is_admin = assigned is not None and assigned == self._adminAddr
            path = assigned.addressDetails.path if assigned is not None else None
            let_go()
            # The process inherited the wakeup descriptor of its parent, which waits for its own signals there.
            signal.set_wakeup_fd(-1)
            # The admin is forked twice: its parent has to be the root, which adopts orphans.
            die_with_parent(int(os.environ[ROOT_PID]) if is_admin else None)
        else:
            raise TypeError(f"{type(kind).__name__} is no way to begin a transport")
        self._open(path or self._new_path())

    def _new_path(self) -> str:
        directory = os.path.dirname(self._adminAddr.addressDetails.path)  # noqa: PTH120 - it is text
        return f"{directory}/{os.getpid()}-{next(_numbers)}"

    def _open(self, path: str) -> None:
        """Listen on *path*; the fields are those of TCPTransport's own __init__ (4.0.1) that its parts still use."""
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(path)
        self.socket.listen(_BACKLOG)
        self._links = Links(self.socket)
        self.loop: Loop | None = None
        _opened.add(self)
        self.myAddress = ActorAddress(UnixAddress(path))
        self._transmitIntents: dict[int, Any] = {}
        self._waitingTransmits: list[Any] = []
        self._incomingSockets: dict[int, Any] = {}
        self._incomingEnvelopes: list[Any] = []
        self._finished_intents: list[Any] = []
        self._watches: list[int] = []
        self._checkChildren = False
        self._shutdownSignalled = False

    def serializer(self, intent: Any) -> bytes:
        """Return a message as it is sent, with its sender's address."""
        return self._framed(intent.message)

    def _framed(self, message: object) -> bytes:
        return frame(pickle.dumps((self.myAddress, message), pickle.HIGHEST_PROTOCOL))

    def carry(self, target: Any, message: object) -> bool:
        """Send *message* at once; return whether that could be done.

        Where it could not, Thespian's own way is to be gone: *target*, or an address in the message, is one that it
        does not know yet, or nobody is there. What Thespian does around a message costs more than the message.
        """
        address = target.addressDetails
        if not isinstance(address, UnixAddress) or address == self.myAddress.addressDetails:
            return False
        try:
            self._links.send(address.path, self._framed(message))
        except (CannotPickleAddress, OSError):
            return False
        return True

    def close(self) -> None:
        """Close the sockets; the transport can't be used any more."""
        self._links.close()
        _opened.discard(self)

    def childResetFileNumList(self) -> list[int]:
        """Return the descriptors that a child has to close: none, it closes its parent's sockets itself."""
        return []

    def _scheduleTransmitActual(self, intent: Any, has_exclusive_flag: bool = False) -> None:
        """Send a message in the actor's thread; its outcome is reported when the transport runs again."""
        status = SendStatus.Sent
        if intent.targetAddr == self.myAddress:
            self._incomingEnvelopes.append(Received(self.myAddress, intent.message))
        else:
            try:
                self._links.send(intent.targetAddr.addressDetails.path, intent.serMsg)
            except (ConnectionError, FileNotFoundError):
                status = SendStatus.DeadTarget
            except OSError:
                status = SendStatus.Failed
        self._finished_intents.append((intent, status))

    def _runWithExpiry(self, incomingHandler: Any) -> Any:  # noqa: N803 - Thespian's name
        """Do what TCPTransport's method does (4.0.1): handle messages until the time is up or the run is aborted."""
        sends_only = incomingHandler is TransmitOnly or isinstance(incomingHandler, TransmitOnly)
        self.__dict__.pop("_aborting_run", None)
        while not hasattr(self, "_aborting_run") or (self._aborting_run and self._links.has_unsent):
            self._tell_what_was_sent()
            if sends_only and not self._links.has_unsent:
                return 0
            while self._incomingEnvelopes and not sends_only:
                envelope = self._incomingEnvelopes.pop(0)
                if incomingHandler is None:
                    return envelope
                result = Thespian__Run_HandlerResult(incomingHandler(envelope))
                if not result:
                    return result
                self._tell_what_was_sent()
            if self.run_time.view().expired():
                return Thespian__Run_Expired()
            if not hasattr(self, "_aborting_run") or self._links.has_unsent:
                self._take(self._wait(self.run_time.view().remainingSeconds()))
        return Thespian__Run_Terminated()

    def _wait(self, seconds: float | None) -> Happened:
        """Wait until something has happened; the loop of an actor that has one turns meanwhile."""
        if self.loop is None:
            return self._links.wait(seconds, self._watches)
        self._links.watch(self._watches)
        self.loop.wait(self._links.fileno(), seconds)
        return self._links.wait(0, self._watches)

    def _tell_what_was_sent(self) -> None:
        """Report the outcome of sent messages to Thespian, which may send others then."""
        while self._finished_intents:
            intent, status = self._finished_intents.pop(0)
            intent.tx_done(status)

    def _take(self, happened: Happened) -> None:
        self._incomingEnvelopes += (Received(*pickle.loads(message)) for message in happened.messages)  # noqa: S301 - only its owner enters the directory of the sockets
        if happened.connected:
            # A signal's handler wakes its own process by a connection.
            self._check_indicators()
        if happened.ready:
            self._incomingEnvelopes.append(Received(self.myAddress, WatchMessage(happened.ready)))

    @staticmethod
    def getAdminAddr(capabilities: dict[str, Any]) -> Any:
        """Return the admin's address: a socket of a fixed name in the private directory."""
        return ActorAddress(UnixAddress(f"{capabilities[DIRECTORY]}/admin"))

    @staticmethod
    def getConventionAddress(capabilities: dict[str, Any]) -> None:
        """Return None: there are no other actor systems to join."""

    @staticmethod
    def probeAdmin(addr: Any) -> bool:
        """Return whether an admin listens at *addr*."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            return probe.connect_ex(addr.addressDetails.path) == 0

    def external_transport_clone(self) -> UnixTransport:
        """Return another transport to the same admin, with a socket of its own."""
        return UnixTransport(ExternalTransportCopy(), self._adminAddr)


class ActorSystemBase(multiprocCommon.multiprocessCommon):  # type: ignore[misc]
    """An actor system with a process for each actor, messages on Unix sockets, and support for ThespianWatch."""

    transportType = UnixTransport  # noqa: N815 - Thespian's name

    def __init__(self, system: Any, logDefs: Any = None) -> None:  # noqa: N803 - Thespian's name
        system.capabilities["Thespian ActorSystem Name"] = SYSTEM_BASE
        system.capabilities["Thespian ActorSystem Version"] = 1
        system.capabilities["Thespian Watch Supported"] = True
        system.capabilities["Process Startup Method"] = "fork"
        super().__init__(system, logDefs)


def let_go() -> None:
    """Close every transport of this process, which was forked from their owner, or whose actor system is gone."""
    for transport in list(_opened):
        transport.close()


def register() -> None:
    """Let ``ActorSystem(SYSTEM_BASE)`` find this module's base among Thespian's own."""
    # A text of each message, all of it, and of several times: for Thespian's own log, which nobody keeps.
    TransmitIntent.identify = Received.identify
    admin.register()
    module = ModuleType(f"thespian.system.{SYSTEM_BASE}")
    module.ActorSystemBase = ActorSystemBase  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    multiprocessing.set_start_method("fork", force=True)
