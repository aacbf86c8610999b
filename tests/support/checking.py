"""``kigeon check --connect`` as its user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import yaml

from kigeon.finding import Finding
from kigeon.standin.apiserver import ApiServer
from tests.support.commands import run_command
from tests.support.loki import Loki

ROOT = Path(__file__).parents[2]


class Setup:
    """A configuration in a folder, by default one with which all is well; *check* tries it."""

    def __init__(self, folder: Path, api: ApiServer, loki: Loki) -> None:
        self.folder = folder
        self.kubeconfig = api.write_kubeconfig(folder / "kubeconfig")
        self.config: dict[str, Any] = {"url": loki.url}
        self.sender: dict[str, Any] = {"name": "loki", "type": "loki", "config": self.config}
        self.data = folder / "data"
        self.queue: dict[str, Any] = {}

    def run(self, *more: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Check in a process of its own, which *options* are of."""
        command = [sys.executable, "-P", "-m", "kigeon", *self._arguments(), *more]
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
        return subprocess.run(command, capture_output=True, text=True, env=environ, timeout=60, check=False, **options)

    def _arguments(self) -> list[str]:
        document = {"global": {"dataDir": str(self.data)}, "queue": self.queue, "eventsenders": [self.sender]}
        config = self.folder / "kigeon.yaml"
        config.write_text(yaml.safe_dump(document))
        return ["check", "--config", str(config), "--connect", "--kubeconfig", str(self.kubeconfig)]

    def check(self, **options: Any) -> tuple[int, list[Finding]]:
        """Return the exit status, and what is not well; with *options*, in a process of its own."""
        done = self.run("--json", **options) if options else run_command(*self._arguments(), "--json")
        assert done.stderr == ""
        findings = [Finding(**found) for found in orjson.loads(done.stdout)["checks"]]
        return done.returncode, [finding for finding in findings if not finding.is_well]

    def failure(self, **options: Any) -> tuple[str, str]:
        """Return what is said of the one thing that is not well, and its cure."""
        code, found = self.check(**options)
        assert (code, len(found)) == (2, 1), found
        return f"{found[0].subject}: {found[0].said}", found[0].cure
