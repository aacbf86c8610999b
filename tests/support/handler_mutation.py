"""A pytest plugin: takes the handlers of actors out, one at a time, and tells which no test misses.

``python -m tests.support.handler_mutation FILES`` runs the tests of FILES, which have to pass. Then, for each handler,
it runs those again that called it, while the handler does nothing. It prints a JSON object: for each handler how many
tests called it, and whether one of them failed without it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from inspect import iscoroutinefunction
from pkgutil import iter_modules
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

import actors
from actors.base import KigeonActor

OWN = ("posted", "report", "script", "finish")
"""What an actor defines besides handlers of messages; KigeonActor's own do nothing."""

Handler = tuple[type[KigeonActor], str]


def kinds() -> list[type[KigeonActor]]:
    """Return the class of each actor, and what they have in common."""
    modules = [import_module(f"actors.{module.name}") for module in iter_modules(actors.__path__)]
    defined = {found for module in modules for found in vars(module).values() if isinstance(found, type)}
    return sorted((found for found in defined if issubclass(found, KigeonActor)), key=lambda kind: kind.__name__)


def handlers() -> list[Handler]:
    """Return each handler with the actor that defines it."""
    return [
        (kind, name)
        for kind in kinds()
        for name in vars(kind)
        if name.startswith("receive") or (name in OWN and kind is not KigeonActor)
    ]


def name_of(handler: Handler) -> str:
    """Return the handler's name."""
    return f"{handler[0].__name__}.{handler[1]}"


@contextmanager
def replaced(handler: Handler, by: Callable[..., Any]) -> Iterator[None]:
    """Have another handler for the length of a block."""
    original = vars(handler[0])[handler[1]]
    setattr(*handler, by)
    try:
        yield
    finally:
        setattr(*handler, original)


class HandlerMutation:
    """Runs the tests that were collected in its own way."""

    def __init__(self) -> None:
        self.callers: dict[Handler, list[pytest.Item]] = {handler: [] for handler in handlers()}
        self.missed: dict[Handler, bool] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run them as they are, then without each handler."""
        for item in session.items:
            self._note_calls(item)
        for handler, callers in self.callers.items():
            with replaced(handler, _nothing_instead_of(vars(handler[0])[handler[1]])):
                # The first that fails is enough.
                self.missed[handler] = any(not _passes(item) for item in callers)
        return True

    def _note_calls(self, item: pytest.Item) -> None:
        called: set[Handler] = set()
        with _noting(called):
            if not _passes(item):
                raise pytest.UsageError(f"{item.nodeid} fails")
        for handler in called:
            self.callers[handler].append(item)


@contextmanager
def _noting(called: set[Handler]) -> Iterator[None]:
    """Note every handler that is called."""
    originals = {handler: vars(handler[0])[handler[1]] for handler in handlers()}

    def note(handler: Handler) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            called.add(handler)
            return originals[handler](*args, **kwargs)

        return call

    try:
        for handler in originals:
            setattr(*handler, note(handler))
        yield
    finally:
        for handler, original in originals.items():
            setattr(*handler, original)


def _nothing_instead_of(original: Callable[..., Any]) -> Callable[..., Any]:
    async def later(*args: Any) -> None: ...

    return later if iscoroutinefunction(original) else lambda *args: None


def _passes(item: pytest.Item) -> bool:
    """Run *item* on its own, as if for the first time."""
    item._initrequest()  # type: ignore[attr-defined]
    reports = runtestprotocol(item, nextitem=None, log=False)
    return all(report.passed for report in reports)


def main() -> None:
    """Run the tests of the files that are named."""
    mutation = HandlerMutation()
    options = ["-o", "addopts=", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "--tb=no"]
    with redirect_stdout(sys.stderr):
        status = pytest.main([*options, *sys.argv[1:]], plugins=[mutation])
    found = {name_of(each): [len(items), mutation.missed.get(each)] for each, items in mutation.callers.items()}
    json.dump(found, sys.stdout)
    sys.exit(status)


if __name__ == "__main__":
    main()
