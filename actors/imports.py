"""What actors are made of, imported before they are forked: they share the memory that it takes."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from importlib import import_module

from actors.messages import ChildSpec
from kigeon.senders.registry import TYPES


def import_actors(children: Iterable[ChildSpec]) -> None:
    """Import what *children* are made of, and leave it alone from then on: whoever looked for garbage would copy it."""
    for child in children:
        import_module(child.actor.rpartition(".")[0])
        if child.sender is not None and (kind := TYPES.get(child.sender.type)):
            for module in kind.modules(child.sender.settings):
                import_module(module)
    gc.collect()
    gc.freeze()
