"""Tries a hook with a few events as production runs it, and records changes, prints, times and errors."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from kigeon.config.settings import HookSettings
from kigeon.config.types import ConfigType
from kigeon.errors import HookError, HookResultInvalid
from kigeon.hooks.cache import ConfigCache
from kigeon.hooks.results import Failed, Result, Skipped
from kigeon.hooks.runner import HookRunner

PRINTED = "the hook printed"

SENT, SKIPPED, FAILED = "sent", "skipped", "failed"


@dataclass(frozen=True, slots=True)
class Change:
    """A key of the configuration (dotted), and its values before and after, as JSON; "" where there is none."""

    key: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of one event: ``outcome`` is sent, skipped or failed. ``config`` is what the event is sent with."""

    event: Mapping[str, Any]
    outcome: str
    seconds: float
    config: Mapping[str, Any] | None = None
    changes: tuple[Change, ...] = ()
    prints: tuple[str, ...] = ()
    error: str = ""


def try_hook(
    hook: HookSettings, config: Mapping[str, Any], config_type: ConfigType, events: Sequence[Mapping[str, Any]]
) -> Iterator[Trial]:
    """Yield what *hook* does with each of *events*. Raises :class:`~kigeon.errors.HookLoadError`."""
    runner, cache = HookRunner(hook, config), ConfigCache(config_type)
    try:
        runner.start()
        for event in events:
            with _printed() as prints:
                began = time.perf_counter()
                (result,) = runner.transform([event])
                seconds = time.perf_counter() - began
            yield _trial(event, config, cache, result, seconds, tuple(prints))
    finally:
        runner.close()


def _trial(
    event: Mapping[str, Any],
    config: Mapping[str, Any],
    cache: ConfigCache,
    result: Result,
    seconds: float,
    prints: tuple[str, ...],
) -> Trial:
    if isinstance(result, Skipped):
        return Trial(event, SKIPPED, seconds, prints=prints)
    if isinstance(result, Failed):
        return Trial(event, FAILED, seconds, prints=prints, error=_said(result.error))
    if result.config is None:
        return Trial(event, SENT, seconds, config, prints=prints)
    try:
        cache.settings_of(result.config)
    except HookResultInvalid as error:
        return Trial(event, FAILED, seconds, prints=prints, error=_said(error))
    returned = orjson.loads(result.config)
    return Trial(event, SENT, seconds, returned, tuple(changes_of(config, returned)), prints)


def _said(error: HookError) -> str:
    return f"{type(error).__name__}: {error}"


def changes_of(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """Yield the keys in which two configurations differ."""
    old, new = dict(_flat(before)), dict(_flat(after))
    for key in sorted({*old, *new}):
        if old.get(key, "") != new.get(key, ""):
            yield Change(key, old.get(key, ""), new.get(key, ""))


def _flat(config: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", orjson.dumps(value, default=str).decode()


@contextmanager
def _printed() -> Iterator[list[str]]:
    """Collect what the hook prints during a block; otherwise it goes to the log."""
    found: list[str] = []
    logger = logging.getLogger("kigeon.hooks.runner")
    handler = _Listener(found)
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield found
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


class _Listener(logging.Handler):
    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == PRINTED:
            self._found.append(str(getattr(record, "text", "")).rstrip("\n"))
