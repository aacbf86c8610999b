"""What an actor's loop, or a thread, has for the actor; the actor is woken for it through a descriptor."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Iterator


class Mailbox:
    """Takes items from any thread; :meth:`take` is for the actor's own."""

    def __init__(self) -> None:
        self._items: deque[object] = deque()
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)

    def fileno(self) -> int:
        """Return a descriptor that is readable while an item may be there."""
        return self._woken.fileno()

    def post(self, item: object) -> None:
        """Add *item*."""
        self._items.append(item)
        try:
            self._wake.send(b"\0")
        except BlockingIOError:
            return  # The actor has been woken already.

    def take(self) -> Iterator[object]:
        """Yield what is there, in order, and what is added meanwhile."""
        try:
            while self._woken.recv(4096):
                pass
        except BlockingIOError:
            pass
        while self._items:
            yield self._items.popleft()

    def close(self) -> None:
        """Close the descriptors."""
        self._wake.close()
        self._woken.close()
