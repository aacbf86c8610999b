"""The image's base: the one that PYTHON_IMAGE names, the Dockerfile's own, or one made of Debian's packages."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
import tempfile
from pathlib import Path

from tests.deploy.engine import ROOT, CanNotRun, Engine

MADE = "localhost/kigeon-python:3.11-bookworm"
PACKAGES = "python-is-python3,python3-venv,ca-certificates"
PIP = "[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n"


def base_image(engine: Engine) -> str:
    """Return the name of an image with Python 3.11 that *engine* holds; raises :class:`CanNotRun`."""
    given = os.environ.get("PYTHON_IMAGE", "")
    wanted = given or default_base()
    for name in (wanted,) if given else (wanted, MADE):
        if engine.has_image(name):
            return name
    pulled = engine.call("pull", wanted, timeout=600)
    if pulled.returncode == 0:
        return wanted
    why = f"{wanted} can't be pulled ({pulled.stderr.strip()[-300:]})"
    if given or os.geteuid() != 0 or shutil.which("debootstrap") is None:
        raise CanNotRun(f"{why}: name an image with PYTHON_IMAGE, or install debootstrap and be root to have one made")
    make_base(engine)
    return MADE


def default_base() -> str:
    """Return the base that the Dockerfile has by default."""
    found = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def make_base(engine: Engine) -> None:
    """Make an image of Debian's Python. It trusts whom this machine trusts, so that pip reaches what it does here."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "root"
        _run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", folder)
        trusted = ssl.get_default_verify_paths().cafile
        if trusted is not None:
            shutil.copy(trusted, folder / "etc/ssl/certs/ca-certificates.crt")
        (folder / "etc/pip.conf").write_text(PIP)
        archive = Path(name) / "root.tar"
        _run("tar", "-C", folder, "--exclude=./dev/*", "--exclude=./var/cache/apt/*", "-cf", archive, ".")
        engine.ask("import", archive, MADE, timeout=600)


def _run(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=1200, check=False)
    if done.returncode:
        raise CanNotRun(f"{command[0]} failed: {(done.stderr or done.stdout)[-2000:]}")
