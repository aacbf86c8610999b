"""Logs on standard error: one line a record, JSON (the default) or text, from every process alike.

What each level means, and what a reader may rely on:

======= ==========================================================================================================
debug   for somebody who follows a single event: what a hook printed, why a connection was dropped
info    the life of a component: started, connected, listed, stopped; a handful of lines in a quiet hour
warning something failed and is tried again, or was skipped and counted; nobody has to act yet
error   an operator has to act, or a component was lost and replaced
======= ==========================================================================================================

Messages are short constant sentences. What varies is context: the ``extra`` of a record becomes keys of its line
(``uid``, ``namespace``, ``error``, …). No secret is ever put there.

What a process is, every record of it says: ``actor`` (``watcher``, ``sender/loki``, ``supervisor``, …; the root says
``root``, a process that answers an operator ``operator``, the one that serves HTTP ``http``), and in a sender's process
``sender``, the sender's name. Where several actors share a process, each speaks for itself (:func:`speaking_as`), and
the process, where none of them does, is ``pipeline``. A record's own context wins: what the Supervisor says of a child
has the child's name as ``actor``.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping
from contextvars import Context, ContextVar, copy_context
from types import MappingProxyType
from typing import Any, TextIO

import orjson

from kigeon.observability.recent import RecentLines
from kigeon.redaction import redact, redact_all

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}

NOTHING: Mapping[str, Any] = MappingProxyType({})

_spoken: ContextVar[Mapping[str, Any]] = ContextVar("kigeon.logs", default=NOTHING)

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(
    level: str = "info", form: str = "json", stream: TextIO | None = None, context: Mapping[str, Any] = NOTHING
) -> None:
    """Send the records of this process at *level* and above to *stream* (standard error) as *form*, json or text.

    *context* is what every one of them holds.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    kept = RecentLines()
    for each in (handler, kept):
        each.setFormatter(_formatter(form)(context))
    root = logging.getLogger()
    root.handlers[:] = [handler, kept]
    root.setLevel(LEVELS[level])
    for noisy in ("urllib3", "kubernetes", "asyncio", "nats", "requests"):
        logging.getLogger(noisy).setLevel(max(LEVELS[level], logging.WARNING))


def bind(context: Mapping[str, Any]) -> None:
    """Let every record of this process hold *context*, and nothing of what was bound before.

    A process that was forked begins with the handlers of another; what it is, it says from here on.
    """
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, ContextFormatter):
            handler.setFormatter(type(handler.formatter)(context))


def speaking_as(context: Mapping[str, Any]) -> Context:
    """Return a context in which every record holds *context*, above what its process has bound.

    Tasks that are made in it speak as it does, and so do threads that are made as
    :class:`~kigeon.threads.ContextThread`.
    """
    made = copy_context()
    made.run(_spoken.set, context)
    return made


def definitions(form: str = "json") -> dict[str, Any]:
    """Return what :func:`logging.config.dictConfig` needs to write warnings as :func:`configure` does.

    Thespian's logger process is configured this way.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"kigeon": {"()": _formatter(form), "context": {"actor": "thespian"}}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "kigeon"}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
    }


def context_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return what the ``extra`` of *record* holds."""
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


class ContextFormatter(logging.Formatter):
    """Writes each record with a *context* that all of them share, and with that of who speaks."""

    def __init__(self, context: Mapping[str, Any] = NOTHING) -> None:
        super().__init__()
        self._context = context

    @property
    def context(self) -> Mapping[str, Any]:
        """What all records hold."""
        return self._context

    def context_of(self, record: logging.LogRecord) -> dict[str, Any]:
        """Return what all records hold, above it what those of the speaker do, then the ``extra`` of *record*."""
        return {**self._context, **_spoken.get(), **context_of(record)}


class JsonFormatter(ContextFormatter):
    """A record as one JSON object: time (RFC 3339, UTC), level, component, message, then its context."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of *record*; a value that JSON does not know is shown by its repr."""
        entry: dict[str, Any] = {
            "time": _time_of(record),
            "level": _level_of(record),
            "component": record.name,
            "message": record.getMessage(),
            **self.context_of(record),
        }
        if record.exc_info and record.exc_info[0]:
            entry["exception"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(redact_all(entry), default=_shown, option=orjson.OPT_NON_STR_KEYS).decode()
        except (TypeError, RecursionError):
            # An integer of more than 64 bits, a file's name that is no UTF-8: rather a text of it than no record.
            return json.dumps({key: redact(_text_of(value)) for key, value in entry.items()})


class TextFormatter(ContextFormatter):
    """A record for a terminal: time, level, component, message, then its context as key=value."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of *record*; an exception follows on lines of its own."""
        context = " ".join(f"{key}={_text_of(value)}" for key, value in self.context_of(record).items())
        line = f"{_time_of(record)} {_level_of(record):5} {record.name}: {record.getMessage()} {context}".rstrip()
        if record.exc_info and record.exc_info[0]:
            line += "\n" + self.formatException(record.exc_info)
        return redact(line)


def _formatter(form: str) -> type[ContextFormatter]:
    return JsonFormatter if form == "json" else TextFormatter


def _shown(value: Any) -> str:
    return redact(repr(value))


def _text_of(value: Any) -> str:
    """Return *value* as text. What can't be shown (it is nested too deeply) must not end who logs it."""
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - whatever a value can cause
        return f"<{type(value).__name__} that can't be shown: {type(error).__name__}>"


def _level_of(record: logging.LogRecord) -> str:
    return "warn" if record.levelno == logging.WARNING else record.levelname.lower()


def _time_of(record: logging.LogRecord) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{whole}.{int(record.msecs):03d}Z"
