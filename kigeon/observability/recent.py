"""The last lines of the log, kept in the data directory for ``kigeon support-bundle``: what each process said last.

They are for comfort: where they can't be written nothing is said, and nothing waits.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

FOLDER = Path("run") / "log"
"""Below dataDir."""

VARIABLE = "KIGEON_RECENT_LOG"
"""The environment variable that tells every process of a kigeon where; without it none are kept."""

MOST_BYTES = 128 * 1024
"""Of a file; then it becomes the one before, which is as large at most."""

BEFORE = ".1"


class RecentLines(logging.Handler):
    """Keeps records at info and above in a file named for the actor that they are of."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)

    def emit(self, record: logging.LogRecord) -> None:
        """Write *record*, if it is to be kept and can be."""
        folder = os.environ.get(VARIABLE)
        if folder:
            with suppress(OSError, ValueError):
                self._write(Path(folder), record)

    def _write(self, folder: Path, record: logging.LogRecord) -> None:
        context = getattr(self.formatter, "context", {})
        path = folder / f"{str(context.get('actor', 'other')).replace('/', '-')}.log"
        folder.mkdir(exist_ok=True)
        # Opened for each line: processes are forked, and a file that is renamed is not to be written to.
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, f"{self.format(record)}\n".encode("utf-8", "backslashreplace"))
            if os.fstat(file).st_size > MOST_BYTES:
                path.replace(path.with_name(path.name + BEFORE))
        finally:
            os.close(file)


def recent_lines(data_dir: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the name of each actor of whom lines are kept, and the lines, at most two files of them."""
    folder = data_dir / FOLDER
    for path in sorted(folder.glob("*.log")):
        before = path.with_name(path.name + BEFORE)
        yield path.stem, b"".join(part.read_bytes() for part in (before, path) if part.is_file())
