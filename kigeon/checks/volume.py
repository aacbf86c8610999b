"""Checks whether the queue can be written in the data directory, and has room there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kigeon.config.settings import Settings
from kigeon.finding import Finding, failed, well
from kigeon.queue.broker.mark import mark_of, why_unusable
from kigeon.queue.broker.volume import cure_of, owner_of

SUBJECT = "dataDir"


def check_volume(settings: Settings, moves: bool = False) -> Iterator[Finding]:
    """Yield whether a file can be written and synced in the data directory, and whether the queue has room there.

    And whether the queue there is the valid one, but where it *moves*.
    """
    data_dir = settings.global_.data_dir
    place = _nearest(data_dir.absolute())
    try:
        _write(data_dir if data_dir.is_dir() else place)
        for part in ("jetstream", "run"):
            if (data_dir / part).exists():
                _write(data_dir / part)
    except OSError as error:
        yield failed(SUBJECT, f"{data_dir}: {error.strerror}{owner_of(place)}", cure_of(error))
        return
    yield well(SUBJECT, f"{data_dir} can be written to")
    if settings.queue.external is not None:
        return  # What is durable lies elsewhere.
    said, cure = why_unusable(mark_of(data_dir), shared=False)
    if said and not moves:
        yield failed(SUBJECT, f"{data_dir}: {said}", cure)
    yield _room(data_dir, settings.queue.events_max_bytes)


def free_bytes(data_dir: Path) -> int:
    """Return how many bytes are free where *data_dir* is, or is to be; what it takes itself is not counted."""
    room = os.statvfs(_nearest(data_dir.absolute()))
    return room.f_bavail * room.f_frsize


def _room(data_dir: Path, needed: int) -> Finding:
    free = free_bytes(data_dir)
    held = sum(_blocks(path) for path in data_dir.rglob("*")) if data_dir.is_dir() else 0
    if free + held >= needed:
        return well(SUBJECT, f"{_readable(free)} are free")
    said = f"{data_dir}: {_readable(free)} are free, and the queue may grow to {_readable(needed)}"
    return failed(SUBJECT, said, "give it a larger volume, or lower queue.eventsMaxBytes")


def _write(folder: Path) -> None:
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"kigeon")
        file.flush()
        os.fsync(file.fileno())


def _nearest(path: Path) -> Path:
    """Return *path*, or the nearest folder above it that is there."""
    return path if path.is_dir() else _nearest(path.parent)


def _blocks(path: Path) -> int:
    try:
        return path.lstat().st_blocks * 512
    except OSError:
        return 0


def _readable(size: int) -> str:
    return f"{size // 2**30}Gi" if size >= 10 * 2**30 else f"{size // 2**20}Mi"
