"""What a sender type brings so that an audit can ask its destinations which of the events that were sent they hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol


class Inventory(Protocol):
    """Asks the destinations of one sender what they hold. Used by one thread, by one audit; it may block.

    A key is a number below 2^64. It stands for an event at its destination: a copy of the event has the same key.
    """

    def expect(self, entry: Any) -> int:
        """Note that the destination of *entry* should hold it; return its key."""

    def held(self) -> Iterator[tuple[str, Iterator[int | None]]]:
        """Yield, for each destination of what is expected, its label and the keys of all that it holds.

        The keys come one for each copy, and None for what is no event of kigeon's. Raises
        :class:`~kigeon.errors.SenderError` when a destination does not answer.
        """
