"""The description of a type of sender. Each type's folder fills one in, and :mod:`kigeon.senders.registry` lists it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kigeon.config.types import ConfigType
from kigeon.finding import Finding
from kigeon.senders.delivery.sink import Sink
from kigeon.senders.inventory import Inventory


@dataclass(frozen=True, slots=True)
class SenderType:
    """A type of sender; ``name`` is its name in the configuration.

    ``config`` validates a sender's ``config`` and makes its settings. ``sink`` makes the sink for these settings, and
    imports the modules that it needs, so that a process that only reads the configuration does not. ``describe``
    returns a few lines about what would run, without secrets. ``modules`` names the modules that ``sink`` and its
    pushes import with these settings: they are imported once, before the actors' processes fork. ``check`` sends an
    event with the settings and returns findings. ``keeps_namespaces_apart`` says whether, with
    the settings, events of different namespaces need no order among each other. ``inventory`` makes, for the settings,
    what asks destinations which events they hold, for an audit; None where they can't be asked. ``example`` is a config
    as a user may write it.
    """

    name: str
    config: ConfigType
    sink: Callable[[Any], Sink]
    describe: Callable[[Any], list[str]] = lambda settings: []
    modules: Callable[[Any], Sequence[str]] = lambda settings: ()
    check: Callable[[Any, Mapping[str, Any]], Iterable[Finding]] = lambda settings, event: []
    keeps_namespaces_apart: Callable[[Any], bool] = lambda settings: False
    inventory: Callable[[Any], Inventory] | None = None
    example: Mapping[str, Any] = field(default_factory=dict)
