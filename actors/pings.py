"""When the Supervisor asks its children how they are. Pure: times are handed in."""

from __future__ import annotations

from dataclasses import dataclass

from actors.acts import Acts, Tell
from actors.children import Children
from actors.messages import Ping

PING_EVERY = 2.0
PING_OFTEN = 0.5
"""Seconds between two questions to each child. While something begins they are asked often; at debug always, since
their reports are logged and are to be fresh."""


@dataclass(slots=True)
class Pings:
    """The questions: one ``every`` so many seconds, the last of them at ``asked_at``."""

    every: float = PING_EVERY
    asked_at: float = 0.0
    nonce: int = 0

    @property
    def due_at(self) -> float:
        """When the next one is due while nothing begins."""
        return self.asked_at + self.every

    def ask(self, children: Children, now: float, is_busy: bool) -> Acts:
        """Ask each child, if it is time: soon after the last time where something begins."""
        if now - self.asked_at < (PING_OFTEN if is_busy else self.every):
            return []
        self.asked_at, self.nonce = now, self.nonce + 1
        # A new one was sent a Ping with its Start; another might overtake both.
        settled = now - PING_OFTEN
        return [
            Tell(child.address, Ping(self.nonce))
            for child in children
            if child.address is not None and child.life.created_at < settled
        ]
