"""Puts numbered items that may overtake one another into the order of their numbers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class InOrder(Generic[T]):
    """Passes items on by their numbers, from 1 without gaps. An item that comes early is held until its turn.

    An item that was passed on or is held already is dropped when it comes again.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = 1
        self._held: dict[int, T] = {}
        self._since = 0.0

    @property
    def next_due(self) -> int:
        """The number whose turn it is."""
        return self._next

    def restart(self) -> None:
        """Begin again at 1, and drop what is held."""
        self._next = 1
        self._held.clear()

    def accept(self, number: int, item: T) -> list[T]:
        """Take *item*; return all items whose turn has come."""
        if number < self._next:
            return []
        if not self._held:
            self._since = self._clock()
        self._held.setdefault(number, item)
        ready = []
        while self._next in self._held:
            ready.append(self._held.pop(self._next))
            self._next += 1
            self._since = self._clock()
        return ready

    def is_missing_one(self, seconds: float) -> bool:
        """Whether an item has been held for *seconds*: then the item that is due was lost."""
        return bool(self._held) and self._clock() - self._since >= seconds
