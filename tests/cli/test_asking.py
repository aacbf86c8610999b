"""An answer as it comes: printed as one JSON document, and never taken for whole when it is not."""

from __future__ import annotations

import os
import pty
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kigeon.cli.asking import Part, ProgressLine, as_json, ask
from kigeon.errors import OperatorError
from kigeon.operator.address import SOCKET

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
GROWING = st.lists(VALUES, max_size=5) | st.dictionaries(st.text(max_size=3), VALUES, max_size=5)


@given(st.dictionaries(st.text(max_size=5), st.tuples(st.booleans(), GROWING), max_size=5), st.integers(1, 3))
def test_an_answer_in_pieces_is_printed_as_it_would_be_whole(answer: dict[str, tuple[bool, Any]], size: int) -> None:
    whole = {name: value for name, (_, value) in answer.items()}
    parts = [part for name, (at_once, value) in answer.items() for part in pieces(name, value, at_once, size)]
    printed = "".join(as_json(iter(parts)))
    assert orjson.loads(printed) == whole
    assert printed == orjson.dumps(whole, option=orjson.OPT_INDENT_2).decode() + "\n"


def pieces(name: str, value: Any, at_once: bool, size: int) -> Iterator[Part]:
    if at_once:
        yield Part(name, value, whole=True)
        return
    yield Part(name, type(value)())
    items = list(value.items()) if isinstance(value, dict) else value
    for start in range(0, len(items), size):
        yield Part(name, type(value)(items[start : start + size]))


@contextmanager
def answering(data_dir: Path, lines: bytes) -> Iterator[None]:
    """Have something at the socket that says *lines* to whoever comes first."""
    (data_dir / SOCKET).parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(data_dir / SOCKET))
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(lines)

        thread = Thread(target=answer)
        thread.start()
        yield
        thread.join()


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (b"", "ended before it had answered"),
        (b'{"items":["events",[1', "ended before it had answered"),
        (b'{"error":"too much"}\n', "too much"),
    ],
)
def test_an_answer_that_stops_is_an_error(tmp_path: Path, end: bytes, said: str) -> None:
    """What had come until then was printed, and its end says that it is not all."""
    with answering(tmp_path, b'{"progress":"reading: 7"}\n{"items":["events",[1,2]]}\n' + end):
        told: list[str] = []
        parts = ask(tmp_path, {"command": "audit"}, told.append)
        assert next(parts) == Part("events", [1, 2])
        with pytest.raises(OperatorError, match=said):
            next(parts)
    assert told == ["reading: 7"]


def test_progress_is_one_line_of_a_terminal_and_nothing_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr("sys.stderr", terminal)
        line = ProgressLine()
        line("reading: 1")
        line("reading: 2")
        line.clear()
        line.clear()
        wanted = b"\r\x1b[Kreading: 1\r\x1b[Kreading: 2\r\x1b[K"
        shown = b""
        while len(shown) < len(wanted):
            shown += os.read(ours, 1000)
        assert shown == wanted
    os.close(ours)
    monkeypatch.undo()
    ProgressLine()("reading: 3")
    assert capsys.readouterr().err == ""
