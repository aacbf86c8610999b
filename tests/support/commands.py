"""A command of kigeon's, run in this process: what an interpreter of its own would do, without starting one."""

from __future__ import annotations

import io
import subprocess
from contextlib import redirect_stderr, redirect_stdout

from kigeon.cli.command import run


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Return the exit status of ``kigeon`` with *arguments*, and what it wrote.

    Starting Python and importing kigeon takes longer than most commands. That a command works as a process of its own
    is shown by tests/cli/test_command.py.
    """
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            status = run(arguments)
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 1
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())
