"""What a type of sender is: a folder beside this file fills one in, and :mod:`kigeon.senders.registry` lists it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kigeon.config.types import ConfigType
from kigeon.finding import Finding
from kigeon.senders.delivery.sink import Sink


@dataclass(frozen=True, slots=True)
class SenderType:
    """A type of sender, by the ``name`` that the configuration has for it.

    ``config`` says what its ``config`` may hold, and makes its settings. ``sink`` makes what pushes, with these
    settings; it imports what that takes, so that a process that only reads the configuration does without. ``describe``
    says in a few lines, each a word and what it means, what would run; no secret is among them. ``modules`` names what
    ``sink`` and its pushes import with these settings: it is imported once, before the actors' processes fork.
    ``check`` sends an event with the settings, and says what came of it. ``keeps_namespaces_apart`` says whether, with
    the settings, events of different namespaces need no order among each other.
    """

    name: str
    config: ConfigType
    sink: Callable[[Any], Sink]
    describe: Callable[[Any], list[str]] = lambda settings: []
    modules: Callable[[Any], Sequence[str]] = lambda settings: ()
    check: Callable[[Any, Mapping[str, Any]], Iterable[Finding]] = lambda settings, event: []
    keeps_namespaces_apart: Callable[[Any], bool] = lambda settings: False
