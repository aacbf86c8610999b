"""Threads that go on in the context in which they were made."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any


class ContextThread(threading.Thread):
    """A daemon thread with the context variables of who made it, as tasks of asyncio have them.

    Its log records so say what those of its maker say (:func:`kigeon.observability.logs.speaking_as`).
    """

    def __init__(self, target: Callable[..., object], arguments: tuple[Any, ...] = (), name: str | None = None) -> None:
        super().__init__(target=target, args=arguments, name=name, daemon=True)
        self.context = copy_context()

    def run(self) -> None:
        """Run the target in the context."""
        self.context.run(super().run)
