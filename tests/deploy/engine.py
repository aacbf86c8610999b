"""A container engine's command line: podman's or docker's."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMAGE = "localhost/kigeon:test"

LIMITS = ("--ulimit", "nofile=1024:4096", "--ulimit", "nproc=4096:4096")
"""An engine's own defaults may be more than it may give where it runs in a sandbox itself."""


class CanNotRun(Exception):
    """The image can't be built or run here: the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A command that takes docker's arguments; the containers share the host's network, for stand-ins on loopback."""

    command: tuple[str, ...]

    @property
    def is_podman(self) -> bool:
        """Whether options are needed that docker does not know."""
        return Path(self.command[0]).name == "podman"

    def call(self, *arguments: str | Path, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run the engine with *arguments* to its end."""
        command = [*self.command, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, cwd=ROOT)

    def ask(self, *arguments: str | Path, timeout: float = 120.0) -> str:
        """Return what the engine prints; :class:`CanNotRun` with what it says when it fails."""
        done = self.call(*arguments, timeout=timeout)
        if done.returncode:
            raise CanNotRun(f"{shlex.join([*self.command, *map(str, arguments)])}: {done.stderr[-3000:]}")
        return done.stdout.strip()

    def has_image(self, name: str) -> bool:
        """Return whether there is such an image."""
        return self.call("image", "inspect", name).returncode == 0

    def runs(self, image: str) -> str:
        """Return "" when a container of *image* can be run, else why not."""
        done = self.call("run", "--rm", "--network", "host", *LIMITS, "--entrypoint", "python", image, "-c", "pass")
        return done.stderr.strip() if done.returncode else ""


def find_engine() -> Engine:
    """Return the engine that CONTAINER_ENGINE names (a command, with options), else podman or docker.

    Raises :class:`CanNotRun` when none answers.
    """
    given = os.environ.get("CONTAINER_ENGINE", "")
    tried = []
    for command in [shlex.split(given)] if given else [["podman"], ["docker"]]:
        engine = Engine(tuple(command))
        if shutil.which(command[0]) is None:
            tried.append(f"{command[0]}: not installed")
        elif (done := engine.call("info")).returncode:
            tried.append(f"{shlex.join(command)} info: {done.stderr.strip()[-500:]}")
        else:
            return engine
    raise CanNotRun(f"no container engine answers ({'; '.join(tried)}): install podman, or start docker's daemon")


def able_to_run(engine: Engine, image: str) -> Engine:
    """Return *engine*, with another runtime where its own can't run *image*; raises :class:`CanNotRun`."""
    candidates = [engine]
    if engine.is_podman and shutil.which("runc"):
        # crun refuses some layouts of cgroups that runc is content with.
        candidates.append(Engine((*engine.command, "--runtime", "runc")))
    reasons = []
    for candidate in candidates:
        reason = candidate.runs(image)
        if not reason:
            return candidate
        reasons.append(f"{shlex.join(candidate.command)}: {reason}")
    raise CanNotRun(f"no container can be run: {'; '.join(reasons)}")
