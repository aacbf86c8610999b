"""Real servers, built from the Go modules below ``servers/`` and kept in a cache outside the tree.

The cache is ``$XDG_CACHE_HOME/kigeon/servers`` (``~/.cache`` by default). A kube-apiserver and an etcd in
``KUBEBUILDER_ASSETS`` are used as they are. A first build takes minutes, on two cores.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

MODULES = Path(__file__).parent / "servers"
PACKAGES = {
    "etcd": ".",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "loki": "github.com/grafana/loki/v3/cmd/loki",
}
FOLDERS = {"etcd": "etcd", "kube-apiserver": "apiserver", "loki": "loki"}


class CanNotBuild(Exception):
    """A server is neither there nor can it be built: the message says what is missing."""


def binary(name: str) -> Path:
    """Return the path of a server, built if it is not there yet; raises :class:`CanNotBuild`."""
    given = Path(os.environ.get("KUBEBUILDER_ASSETS", "/nonexistent")) / name
    if given.is_file():
        return given
    module = MODULES / FOLDERS[name]
    sources = b"".join(path.read_bytes() for path in sorted(module.iterdir()))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kigeon" / "servers"
    target = cache / f"{name}-{hashlib.sha256(sources).hexdigest()[:12]}"
    if target.is_file():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_file():
            _build(name, module, target)
    return target


def _build(name: str, module: Path, target: Path) -> None:
    if shutil.which("go") is None:
        raise CanNotBuild(f"{name} is not in {target.parent}, and can't be built: install Go 1.26 or newer")
    sys.stderr.write(f"building {name}, which takes minutes the first time\n")
    building = target.with_suffix(".building")
    command = ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", str(building), PACKAGES[name]]
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    done = subprocess.run(command, cwd=module, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CanNotBuild(f"{name} can't be built: {done.stderr[-2000:]}")
    building.rename(target)


if __name__ == "__main__":
    for wanted in sys.argv[1:] or PACKAGES:
        sys.stdout.write(f"{binary(wanted)}\n")
