"""Asks a running kigeon through the socket in its dataDir, and reads the answer line by line as it comes."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from kigeon.errors import OperatorError
from kigeon.operator.address import SOCKET, short_path

ANSWER_TIMEOUT = 900.0
"""Seconds between two lines of an answer."""

CUT_OFF = "kigeon ended before it had answered: ask again"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an answer. It adds to the list or object *name*, or it is all of *name* (``whole``)."""

    name: str
    value: Any
    whole: bool = False


def ask(data_dir: Path, request: Mapping[str, Any], progress: Callable[[str], None]) -> Iterator[Part]:
    """Yield the parts of a running kigeon's answer to *request*; kigeon's words about its progress go to *progress*.

    Raises :class:`OperatorError` when there is no (further) answer.
    """
    path = data_dir / SOCKET
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, short_path(path) as short:
            connection.settimeout(ANSWER_TIMEOUT)
            connection.connect(short)
            connection.sendall(orjson.dumps(request) + b"\n")
            with connection.makefile("rb") as lines:
                yield from _parts(lines, path, progress)
    except PermissionError as error:
        raise OperatorError(f"{path}: only the user that kigeon runs as may ask it") from error
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
        cure = "start it, or name the configuration that it runs with"
        raise OperatorError(f"no kigeon runs with global.dataDir {data_dir}: {cure}") from error
    except OSError as error:
        raise OperatorError(f"{path}: kigeon does not answer: {error}") from error


def _parts(lines: BinaryIO, path: Path, progress: Callable[[str], None]) -> Iterator[Part]:
    for line in lines:
        try:
            ((kind, found),) = orjson.loads(line).items()
        except (orjson.JSONDecodeError, ValueError, AttributeError) as error:
            raise OperatorError(f"{path}: {CUT_OFF}") from error
        if kind == "error":
            raise OperatorError(str(found))
        if kind == "end":
            return
        if kind == "progress":
            progress(str(found))
        elif kind == "members":
            yield from (Part(name, value, whole=True) for name, value in found.items())
        else:
            yield Part(*found)
    raise OperatorError(f"{path}: {CUT_OFF}")


class ProgressLine:
    """One line on a terminal's standard error that is overwritten; where there is no terminal nothing is shown."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()
        self._is_there = False

    def __call__(self, text: str) -> None:
        """Show *text*."""
        if self._is_shown:
            sys.stderr.write(f"\r\033[K{text}")
            sys.stderr.flush()
            self._is_there = True

    def clear(self) -> None:
        """Remove the line before something else is printed."""
        if self._is_there:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
            self._is_there = False


def as_json(parts: Iterator[Part]) -> Iterator[str]:
    """Yield one JSON object, indented, as its *parts* come."""
    yield "{"
    before: str | None = None
    opened, count = "", 0
    for part in parts:
        if part.whole or part.name != before:
            closing = opened and (f"\n  {opened}" if count else opened)
            yield f"{closing}{',' if before is not None else ''}\n  {orjson.dumps(part.name).decode()}: "
            before, count = part.name, 0
            opened = "" if part.whole else "]" if isinstance(part.value, list) else "}"
            yield _indented(part.value, "  ") if part.whole else "[" if opened == "]" else "{"
        if not part.whole:
            for item in _members(part.value):
                yield ("," if count else "") + "\n    " + item
                count += 1
    yield (opened and (f"\n  {opened}" if count else opened)) + ("}\n" if before is None else "\n}\n")


def _members(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        return (_indented(item, "    ") for item in value)
    return (f"{orjson.dumps(key).decode()}: {_indented(item, '    ')}" for key, item in value.items())


def _indented(value: Any, by: str) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode().replace("\n", "\n" + by)
