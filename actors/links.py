"""Connections between the processes of an actor system: one for each direction, kept open, and one epoll for all.

A message is a frame: four bytes of length, then as many bytes. A written message is read by the peer, or lost with the
peer: nothing is acknowledged here, since an actor that needs an answer waits for the other actor's. Data that a peer
does not take at once waits here; the protocol between the actors bounds its size.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

_READ_AT_ONCE = 256 * 1024
_LENGTH = 4


def frame(message: bytes) -> bytes:
    """Return *message* as it is sent."""
    return len(message).to_bytes(_LENGTH, "big") + message


@dataclass(slots=True)
class _Outbound:
    path: str
    socket: socket.socket
    unsent: bytearray = field(default_factory=bytearray)


@dataclass(slots=True)
class _Inbound:
    socket: socket.socket
    read: bytearray = field(default_factory=bytearray)

    def frames(self) -> list[bytes]:
        """Take the messages that are complete."""
        found, start = [], 0
        while (begin := start + _LENGTH) <= len(self.read):
            end = begin + int.from_bytes(self.read[start:begin], "big")
            if end > len(self.read):
                break
            found.append(bytes(self.read[begin:end]))
            start = end
        del self.read[:start]
        return found


@dataclass(slots=True)
class Happened:
    """The result of a wait: messages in order, watched descriptors that are readable, whether a peer connected."""

    messages: list[bytes] = field(default_factory=list)
    ready: list[int] = field(default_factory=list)
    connected: bool = False


class Links:
    """The connections of one process; owned by one thread. Others connect to *listener*."""

    def __init__(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._poll = select.epoll()
        self._poll.register(listener.fileno(), select.EPOLLIN)
        self._inbound: dict[int, _Inbound] = {}
        self._outbound: dict[int, _Outbound] = {}
        self._to: dict[str, _Outbound] = {}
        self._watched: Sequence[int] = ()

    @property
    def has_unsent(self) -> bool:
        """Whether data waits for a peer to take it."""
        return any(link.unsent for link in self._outbound.values())

    def fileno(self) -> int:
        """Return a descriptor that is readable when :meth:`wait` would not have to wait."""
        return self._poll.fileno()

    def send(self, path: str, data: bytes) -> None:
        """Send a frame to the process that listens at *path*; :class:`OSError` when none does."""
        link = self._to.get(path)
        if link is not None and self._write(link, data):
            return
        # The former peer is gone; another process may listen at the path now.
        link = self._connect(path)
        if not self._write(link, data):
            raise ConnectionResetError(f"the process at {path} closed the connection at once")

    def wait(self, seconds: float | None, watched: Sequence[int] = ()) -> Happened:
        """Return when something has happened, at the latest after *seconds*; None waits without a limit."""
        self.watch(watched)
        happened = Happened()
        for descriptor, events in self._poll.poll(seconds):
            if descriptor == self._listener.fileno():
                self._accept()
                happened.connected = True
            elif descriptor in self._inbound:
                happened.messages += self._read(self._inbound[descriptor])
            elif descriptor in self._outbound:
                self._go_on(self._outbound[descriptor], events)
            else:
                happened.ready.append(descriptor)
        return happened

    def close(self) -> None:
        """Close everything, the listener too."""
        # A forked process shares the epoll with its parent, so nothing is unregistered.
        for inbound in self._inbound.values():
            inbound.socket.close()
        for outbound in self._outbound.values():
            outbound.socket.close()
        self._inbound.clear()
        self._outbound.clear()
        self._to.clear()
        self._poll.close()
        self._listener.close()

    def watch(self, watched: Sequence[int]) -> None:
        """Let :meth:`wait`, and who waits for :meth:`fileno`, be woken by *watched* descriptors that are readable."""
        if watched == self._watched:
            return
        before, now = set(self._watched), set(watched)
        for descriptor in before - now:
            # A closed descriptor has left the epoll already.
            with suppress(OSError):
                self._poll.unregister(descriptor)
        for descriptor in now - before:
            self._poll.register(descriptor, select.EPOLLIN)
        self._watched = list(watched)

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return  # No further peer waits.
            accepted.setblocking(False)
            self._inbound[accepted.fileno()] = _Inbound(accepted)
            self._poll.register(accepted.fileno(), select.EPOLLIN)

    def _read(self, link: _Inbound) -> list[bytes]:
        try:
            read = link.socket.recv(_READ_AT_ONCE)
        except BlockingIOError:
            return []
        except OSError:
            read = b""
        if not read:
            # A message of which only a part came does not count as sent.
            del self._inbound[link.socket.fileno()]
            self._drop(link.socket)
            return []
        link.read += read
        return link.frames()

    def _connect(self, path: str) -> _Outbound:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.setblocking(False)
            made.connect(path)
        except OSError:
            made.close()
            raise
        link = _Outbound(path, made)
        self._outbound[made.fileno()] = self._to[path] = link
        self._poll.register(made.fileno(), select.EPOLLRDHUP)
        return link

    def _write(self, link: _Outbound, data: bytes) -> bool:
        """Send *data* after the data that waits; return whether the peer was there."""
        if link.unsent:
            link.unsent += data
            return True
        try:
            sent = link.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._lose(link)
            return False
        if sent < len(data):
            link.unsent += data[sent:]
            self._poll.modify(link.socket.fileno(), select.EPOLLRDHUP | select.EPOLLOUT)
        return True

    def _go_on(self, link: _Outbound, events: int) -> None:
        """Send the data that waits, or notice that the peer is gone."""
        if events & ~select.EPOLLOUT:
            self._lose(link)
            return
        try:
            del link.unsent[: link.socket.send(link.unsent)]
        except BlockingIOError:
            return
        except OSError:
            self._lose(link)
            return
        if not link.unsent:
            self._poll.modify(link.socket.fileno(), select.EPOLLRDHUP)

    def _lose(self, link: _Outbound) -> None:
        del self._outbound[link.socket.fileno()]
        if self._to.get(link.path) is link:
            del self._to[link.path]
        self._drop(link.socket)

    def _drop(self, gone: socket.socket) -> None:
        # The process may have forked: a connection that is closed only here would stay in the epoll.
        with suppress(OSError):
            self._poll.unregister(gone.fileno())
        gone.close()
