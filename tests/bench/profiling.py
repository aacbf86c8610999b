"""``--profile FOLDER``: what each of kigeon's processes does, as flame graphs: FOLDER/PROCESS.svg.

Processes that run Python are looked at by py-spy (``pip install py-spy``, the extra ``bench``) while they hold the
interpreter's lock: who waits is not seen. nats-server is looked at by ``perf``, where that is installed. Stacks are
kept too, as ``PROCESS.stacks``: one a line, with its number of samples.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.bench.drawing import flames

RATE = 500
"""Looks a second."""

GO = "nats-server"

_FORKED = re.compile(r"^.*BaseProcess\.run \(multiprocessing/process\.py:\d+\);")


@contextmanager
def profiled(folder: Path | None, roles: Mapping[int, str]) -> Iterator[None]:
    """Profile processes, named by *roles*, for the length of a block; without a *folder* do nothing."""
    if folder is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    running = {}
    for pid, role in roles.items():
        path = folder / f"{role.replace('/', '-')}.stacks"
        if (command := _command(pid, role, path)) is not None:
            quiet = subprocess.DEVNULL
            running[path] = role, subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=subprocess.PIPE)
    try:
        yield
    finally:
        for path, (role, process) in running.items():
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
            _draw(path, role, said.decode(errors="replace"))


def _command(pid: int, role: str, path: Path) -> list[str] | None:
    if role == GO:
        perf = shutil.which("perf")
        options = ["record", "-q", "-e", "cpu-clock", "-F", "4000", "--call-graph", "fp"]
        return [perf, *options, "-o", f"{path}.perf", "-p", str(pid)] if perf else None
    spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if spy is None:
        raise SystemExit("--profile needs py-spy: pip install py-spy")
    return [spy, "record", "--gil", "--nonblocking", "-r", str(RATE), "-f", "raw", "-d", "unlimited",
            "-o", str(path), "-p", str(pid)]  # fmt: skip


def _draw(path: Path, role: str, said: str) -> None:
    recorded = Path(f"{path}.perf")
    if recorded.exists():
        script = subprocess.run(["perf", "script", "-i", recorded], capture_output=True, text=True, check=False)
        stacks = stacks_of_perf(script.stdout)
        path.write_text("".join(f"{stack} {count}\n" for stack, count in stacks.items()))
        recorded.unlink()
    elif path.exists():
        stacks = stacks_of(path.read_text())
    else:
        # It did nothing for as long as it was looked at, or may not be looked at.
        sys.stderr.write(f"no profile of {role}: {said.strip().splitlines()[-1:]}\n")
        return
    path.with_suffix(".svg").write_text(flames(role, stacks))


def stacks_of(text: str) -> Counter[str]:
    """Read stacks, one a line, with their number; what a process was doing when it was forked is left out."""
    found: Counter[str] = Counter()
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        found[_FORKED.sub("", stack)] += int(count)
    return found


def stacks_of_perf(script: str) -> Counter[str]:
    """Read what ``perf script`` prints: a paragraph for each sample, the innermost frame first."""
    found: Counter[str] = Counter()
    for sample in script.split("\n\n"):
        frames = [line.split(maxsplit=1)[1].rpartition(" (")[0] for line in sample.splitlines()[1:] if line.strip()]
        if frames:
            found[";".join(frame.partition("+0x")[0].replace(";", ",") for frame in reversed(frames))] += 1
    return found
