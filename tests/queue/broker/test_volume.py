"""What is said of a data directory that can't be used."""

import errno
import os
from pathlib import Path

import pytest

from kigeon.queue.broker.volume import cure_of, owner_of


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.EROFS, "mount the volume for writing"),
        (errno.EACCES, "give the directory to the user"),
        (errno.EPERM, "give the directory to the user"),
        (errno.ENOSPC, "give it a larger volume"),
        (errno.ENOTDIR, "name a directory that can be written to"),
    ],
)
def test_the_cure_is_of_the_error(number: int, cure: str) -> None:
    assert cure_of(OSError(number, os.strerror(number))).startswith(cure)


def test_an_owner_is_named_only_where_it_is_another(tmp_path: Path) -> None:
    assert owner_of(tmp_path) == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a directory away")
def test_another_owner_is_named_also_of_what_is_not_there_yet(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    said = f" ({tmp_path} belongs to the user 65534, this process runs as the user 0)"
    assert owner_of(tmp_path) == said
