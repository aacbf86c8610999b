"""Logs on standard error: one line a record, JSON (the default) or text, from every process alike.

What each level means, and what a reader may rely on:

======= ==========================================================================================================
debug   for somebody who follows a single event: what a hook printed, why a connection was dropped
info    the life of a component: started, connected, listed, stopped; a handful of lines in a quiet hour
warning something failed and is tried again, or was skipped and counted; nobody has to act yet
error   an operator has to act, or a component was lost and replaced
======= ==========================================================================================================

Messages are short constant sentences. What varies is context: the ``extra`` of a record becomes keys of its line
(``component``, ``sender``, ``uid``, ``namespace``, ``error``, …). No secret is ever put there.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import MutableMapping
from typing import Any, TextIO

import orjson

from kigeon.redaction import redact, redact_all

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(level: str = "info", form: str = "json", stream: TextIO | None = None) -> None:
    """Send the records of this process at *level* and above to *stream* (standard error) as *form*, json or text."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LEVELS[level])
    for noisy in ("urllib3", "kubernetes", "asyncio", "nats", "requests"):
        logging.getLogger(noisy).setLevel(max(LEVELS[level], logging.WARNING))


def definitions(form: str = "json") -> dict[str, Any]:
    """Return what :func:`logging.config.dictConfig` needs to write warnings as :func:`configure` does.

    Thespian's logger process is configured this way.
    """
    formatter = JsonFormatter if form == "json" else TextFormatter
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"kigeon": {"()": formatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "kigeon"}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
    }


def context_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return what the ``extra`` of *record* holds."""
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


class JsonFormatter(logging.Formatter):
    """A record as one JSON object: time (RFC 3339, UTC), level, component, message, then its context."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of *record*; a value that JSON does not know is shown by its repr."""
        entry: dict[str, Any] = {
            "time": _time_of(record),
            "level": _level_of(record),
            "component": record.name,
            "message": record.getMessage(),
            **context_of(record),
        }
        if record.exc_info and record.exc_info[0]:
            entry["exception"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(redact_all(entry), default=_shown, option=orjson.OPT_NON_STR_KEYS).decode()
        except (TypeError, RecursionError):
            # An integer of more than 64 bits, a file's name that is no UTF-8: rather a text of it than no record.
            return json.dumps({key: redact(_text_of(value)) for key, value in entry.items()})


class TextFormatter(logging.Formatter):
    """A record for a terminal: time, level, component, message, then its context as key=value."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of *record*; an exception follows on lines of its own."""
        context = " ".join(f"{key}={_text_of(value)}" for key, value in context_of(record).items())
        line = f"{_time_of(record)} {_level_of(record):5} {record.name}: {record.getMessage()} {context}".rstrip()
        if record.exc_info and record.exc_info[0]:
            line += "\n" + self.formatException(record.exc_info)
        return redact(line)


class Bound(logging.LoggerAdapter[logging.Logger]):
    """A logger that adds its context to every record."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Merge the record's own extra over the bound one."""
        kwargs["extra"] = {**(self.extra or {}), **kwargs.get("extra", {})}
        return msg, kwargs


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
