"""``kigeon tail``, read line by line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.kigeon import Kigeon


@contextmanager
def tail(kigeon: Kigeon, *more: str) -> Iterator[Iterator[str]]:
    """Have its lines for the length of a block."""
    command = [sys.executable, "-P", "-m", "kigeon", "tail", "--config", str(kigeon.config), *more]
    environ = {**os.environ, "COLUMNS": "80"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout is not None
        try:
            yield iter(process.stdout)
        finally:
            process.terminate()
            process.wait()
