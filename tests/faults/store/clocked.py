"""A nats-server whose wall clock can be set wrong, built from its Go module and kept in a cache outside the tree.

The package ``time`` is replaced by one that adds some seconds to what ``Now`` tells; its steady clock is not touched.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

MODULE = Path(__file__).with_name("clocked_server")

_NOW = "\tsec, nsec, mono := runtimeNow()\n"
_IMPORT = '\t"math/bits"\n'
_WRONG = """
var wrong atomic.Int64

// SetWrong lets the wall clock be wrong by so many seconds.
func SetWrong(seconds int64) { wrong.Store(seconds) }
"""


def clocked_server(folder: Path) -> Path:
    """Return a program that is that server, its clock wrong by the seconds that the file ``clock`` in *folder* holds.

    Raises ``FileNotFoundError`` without Go.
    """
    binary = _built()
    program = folder / "nats-server"
    program.write_text(f'#!/bin/sh\nWRONG_CLOCK={folder / "clock"} exec {binary} "$@"\n')
    program.chmod(0o755)
    return program


def _built() -> Path:
    if shutil.which("go") is None:
        raise FileNotFoundError("a nats-server with another clock can't be built: install Go 1.26 or newer")
    sources = b"".join(path.read_bytes() for path in [Path(__file__), *sorted(MODULE.iterdir())])
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kigeon" / "servers"
    cache.mkdir(parents=True, exist_ok=True)
    target = cache / f"clocked-nats-server-{hashlib.sha256(sources).hexdigest()[:12]}"
    with (cache / "clocked-nats-server.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_file():
            _build(target)
    return target


def _build(target: Path) -> None:
    root = subprocess.run(["go", "env", "GOROOT"], cwd=MODULE, capture_output=True, text=True, check=True)
    source = Path(root.stdout.strip()) / "src" / "time" / "time.go"
    text = source.read_text()
    assert _NOW in text
    assert _IMPORT in text
    text = text.replace(_NOW, f"{_NOW}\tsec += wrong.Load()\n", 1).replace(_IMPORT, f'{_IMPORT}\t"sync/atomic"\n', 1)
    building = target.with_suffix(".building")
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "time.go").write_text(text + _WRONG)
        overlay = Path(name) / "overlay.json"
        overlay.write_text(json.dumps({"Replace": {str(source): f"{name}/time.go"}}))
        command = ["go", "build", "-overlay", str(overlay), "-trimpath", "-o", str(building), "."]
        environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false"}
        subprocess.run(command, cwd=MODULE, env=environment, check=True, capture_output=True)
    building.rename(target)
