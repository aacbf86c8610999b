"""Answers that go on for as long as somebody reads them: how many there may be, and that nobody reads one any more."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOST_FOLLOWING = 2
"""Answers at the same time that go on: the other processes that may answer are for those who want to know something."""

SIGN_OF_LIFE = 5.0
"""Seconds after which something is written although there is nothing to tell: a reader who is gone is noticed by it."""

TOO_MANY = f"{MOST_FOLLOWING} others follow this kigeon already (status --watch, tail): end one of them"


@contextmanager
def following(folder: Path) -> Iterator[None]:
    """Be one of :data:`MOST_FOLLOWING` for the length of a block; raises :class:`ValueError` where there are that many.

    The places are locks on files in *folder*: they end with their process.
    """
    for number in range(MOST_FOLLOWING):
        place = os.open(folder / f"follower-{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(place)
            continue
        try:
            yield
        finally:
            os.close(place)
        return
    raise ValueError(TOO_MANY)
