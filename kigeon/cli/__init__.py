"""The command line: ``kigeon start``, ``check``, ``demo``."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run kigeon with *argv*, the command line's own by default; return the exit status."""
    # Nothing has to be finished yet, so a signal ends the process at once; the import below takes a moment.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    # In a container these signals are blocked until now: the kernel drops signals that PID 1 has no handler for.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
    from kigeon.cli.command import run

    return run(argv)
