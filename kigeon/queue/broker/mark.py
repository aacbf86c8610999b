"""The mark of a queue that is moved, which says which of the two ends of the move is the valid one.

A queue is moved between a data directory and an external JetStream (:mod:`kigeon.move`). Each end has a mark: the file
``move.json`` of a data directory; the key :data:`MARK_KEY` in the metadata of an external events stream. It is JSON::

    {"format": 1, "state": "moved", "id": "5f…", "other": "queue.url nats://a:4222, queue.name kigeon",
     "at": "2027-01-15T07:56:40+00:00", "follows": ""}

========== ==========================================================================================================
state      means
========== ==========================================================================================================
leaving    this end is the valid one, and a move copies it to the other
arriving   the other end is the valid one; this end holds a part of it
moved      the other end is the valid one; this end is old
here       this end is the valid one, and came from the other
========== ==========================================================================================================

A queue that was never moved has no mark. The source becomes ``moved`` before the target becomes ``here``: at no moment
are both valid.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import orjson

from kigeon.errors import StartError

MARK_FORMAT = 1
MARK_KEY = "kigeon-move"
MARK_FILE = "move.json"


class MoveState(StrEnum):
    """The state of an end, as its mark says."""

    LEAVING = "leaving"
    ARRIVING = "arriving"
    MOVED = "moved"
    HERE = "here"
    UNREADABLE = "unreadable"
    """The state is not known, because the mark is damaged, or of a newer kigeon."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark. ``id`` is that of the move, the same at both ends; ``other`` names the other end for people.

    ``at`` is a time of day for people. ``follows`` is the id of the move that brought the queue here before, "" where
    there was none.
    """

    state: MoveState
    id: str
    other: str
    at: str
    follows: str = ""


def write_mark(mark: Mark) -> str:
    """Return *mark* as text."""
    return orjson.dumps({"format": MARK_FORMAT, **asdict(mark)}).decode()


def read_mark(text: str | bytes) -> Mark:
    """Read the text that :func:`write_mark` wrote; a damaged text becomes a mark that nobody may ignore."""
    try:
        found = orjson.loads(text)
        if found["format"] != MARK_FORMAT:
            raise ValueError(f"format {found['format']!r}")
        mark = Mark(MoveState(found["state"]), *(found[key] for key in ("id", "other", "at", "follows")))
        if not all(isinstance(told, str) for told in (mark.id, mark.other, mark.at, mark.follows)):
            raise TypeError("it holds no text")
        return mark
    except (ValueError, KeyError, TypeError):
        return Mark(MoveState.UNREADABLE, "", "", "")


def mark_in(metadata: Mapping[str, str] | None) -> Mark | None:
    """Return the mark in the *metadata* of an events stream; None where they have no mark."""
    text = (metadata or {}).get(MARK_KEY)
    return read_mark(text) if text is not None else None


def why_unusable(mark: Mark | None, shared: bool) -> tuple[str, str]:
    """Return why no kigeon may run on an end with *mark*, and the cure; two empty texts where one may.

    An end that is *shared* may be read by a move while a kigeon comes; a data directory is locked.
    """
    if mark is None or mark.state is MoveState.HERE or (mark.state is MoveState.LEAVING and not shared):
        return "", ""
    repeat = "repeat `kigeon move`, or give the move up with `kigeon move --undo`"
    if mark.state is MoveState.MOVED:
        cure = "run kigeon with that, or bring it back with `kigeon move`"
        return f"the queue that was here was moved at {mark.at} to {mark.other}", cure
    if mark.state is MoveState.ARRIVING:
        return f"the queue that is to come here from {mark.other} has not come whole", repeat
    if mark.state is MoveState.LEAVING:
        return f"the queue is being moved to {mark.other}, since {mark.at}", f"wait for that; if it has ended, {repeat}"
    cure = "run the kigeon that has written it, or a newer one"
    return f"whether the queue was moved elsewhere can't be read ({MARK_KEY}, {MARK_FILE})", cure


def mark_of(data_dir: Path) -> Mark | None:
    """Return the mark of a data directory; None where it has no mark."""
    try:
        return read_mark((data_dir / MARK_FILE).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return read_mark("")


def put_mark(data_dir: Path, mark: Mark | None) -> None:
    """Give a data directory *mark*, or none; raises :class:`OSError`. It is durable when this returns."""
    path, new = data_dir / MARK_FILE, data_dir / f"{MARK_FILE}.new"
    if mark is None:
        path.unlink(missing_ok=True)
    else:
        with new.open("wb") as file:
            file.write(write_mark(mark).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    folder = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def refuse_moved(data_dir: Path) -> None:
    """Raise :class:`StartError` where the queue of a data directory is not the valid one."""
    said, cure = why_unusable(mark_of(data_dir), shared=False)
    if said:
        raise StartError(f"global.dataDir {data_dir}: {said}: {cure}")


def holds_queue(data_dir: Path) -> bool:
    """Return whether a data directory holds a queue that is, or may be, the valid one."""
    mark = mark_of(data_dir)
    if not (data_dir / "jetstream").is_dir():
        return False
    return mark is None or mark.state not in (MoveState.MOVED, MoveState.ARRIVING)
