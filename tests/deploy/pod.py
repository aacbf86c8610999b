"""The StatefulSet's Pod, run by a container engine: what the manifest says becomes the engine's options."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import yaml

from kigeon.config.quantities import parse_size
from tests.deploy.engine import LIMITS, ROOT, Engine
from tests.support.processes import wait_until

MANIFESTS = ROOT / "deploy" / "kubernetes"

LOOK = """
import json, os

def pss(pid):
    try:
        return sum(int(line.split()[1]) for line in open(f"/proc/{pid}/smaps_rollup") if line.startswith("Pss:"))
    except OSError:
        return 0

found = []
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        state, parent = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[:2]
        title = open(f"/proc/{pid}/cmdline", "rb").read().replace(bytes(1), b" ").decode("utf-8", "replace").strip()
    except OSError:
        continue
    if int(pid) != os.getpid():
        found.append({"pid": int(pid), "parent": int(parent), "state": state, "title": title, "pss": pss(pid) * 1024})
print(json.dumps(found))
"""
"""Run inside: tells every process there. A zombie has neither title nor memory."""


def manifest(name: str) -> dict[str, Any]:
    """Return the one document of a file below deploy/kubernetes."""
    document: dict[str, Any] = yaml.safe_load((MANIFESTS / name).read_text())
    return document


class Volume:
    """A context manager: a volume of the engine's, its top as the kubelet leaves that of a claim."""

    def __init__(self, engine: Engine, image: str) -> None:
        self._engine = engine
        self._image = image
        self.name = f"kigeon-{uuid.uuid4().hex[:12]}"

    def __enter__(self) -> Self:
        self._engine.ask("volume", "create", self.name)
        self.own("0:65534", "2775")
        return self

    def __exit__(self, *error: object) -> None:
        self._engine.call("volume", "rm", "--force", self.name)

    def own(self, owner: str, mode: str) -> None:
        """Give the volume's top away."""
        run = ("run", "--rm", "--user", "0:0", "--network", "none", *LIMITS, "--volume", f"{self.name}:/claim")
        command = f"chown {owner} /claim && chmod {mode} /claim"
        self._engine.ask(*run, "--entrypoint", "sh", self._image, "-c", command)


class Pod:
    """A context manager: its container is gone when it is left. ``start`` makes a new one, on the same volume.

    ``args`` are the manifest's; further options of the engine come by ``start``.
    """

    def __init__(self, engine: Engine, image: str, volume: Volume, folder: Path) -> None:
        self._engine = engine
        self._image = image
        self.volume = volume
        self._folder = folder
        folder.chmod(0o755)
        self._names: list[str] = []
        document = manifest("statefulset.yaml")
        self.spec: dict[str, Any] = document["spec"]["template"]["spec"]
        (self.container,) = self.spec["containers"]
        self.args: list[str] = list(self.container["args"])
        self.environ: dict[str, str] = {}
        self.binds: dict[str, Path] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for name in self._names:
            self._engine.call("rm", "--force", "--volumes", name)

    def configure(self, text: str) -> None:
        """Lay the ConfigMap's file out, as the kubelet does: links to links, so that it is replaced in one step."""
        top = self._folder / "config"
        (top / "..2026_01").mkdir(parents=True)
        (top / "..2026_01" / "config.yaml").write_text(text)
        (top / "..data").symlink_to("..2026_01")
        (top / "config.yaml").symlink_to("..data/config.yaml")
        self.binds["/etc/kigeon"] = top

    def configure_senders(self, *senders: Mapping[str, Any], **sections: Any) -> None:
        """Configure, but for the *senders* and *sections*, as the ConfigMap does; kigeon logs at debug."""
        # On the host's network, its addresses are everybody's.
        sections = {"http": {"listen": ""}, **sections}
        self.configure(yaml.safe_dump({"global": {"logLevel": "debug"}, "eventsenders": list(senders), **sections}))

    def reach(self, write_kubeconfig: Callable[[Path], Path]) -> None:
        """Have it use the credentials that are written by *write_kubeconfig*."""
        path = self._folder / "kubeconfig" / "config"
        path.parent.mkdir()
        write_kubeconfig(path).chmod(0o644)
        self.binds["/etc/kubeconfig"] = path.parent
        self.environ["KUBECONFIG"] = "/etc/kubeconfig/config"

    def options(self) -> list[str]:
        """Return what the manifest says, as the engine's options."""
        pod, own = self.spec["securityContext"], self.container["securityContext"]
        assert own["readOnlyRootFilesystem"] is True
        assert own["allowPrivilegeEscalation"] is False
        found = ["--user", f"{pod['runAsUser']}:{pod['runAsGroup']}", "--group-add", str(pod["fsGroup"]), "--read-only"]
        found += ["--read-only-tmpfs=false"] if self._engine.is_podman else []
        found += [f"--cap-drop={name}" for name in own["capabilities"]["drop"]]
        found += ["--security-opt", "no-new-privileges", "--network", "host", *LIMITS]
        found += ["--memory", str(parse_size(self.container["resources"]["limits"]["memory"]))]
        found += [part for name, value in self.environ.items() for part in ("--env", f"{name}={value}")]
        mounts = {mount["name"]: mount["mountPath"] for mount in self.container["volumeMounts"]}
        found += ["--volume", f"{self.volume.name}:{mounts.pop('data')}", "--tmpfs", f"{mounts.pop('tmp')}:mode=1777"]
        assert mounts == {"config": "/etc/kigeon"}
        return found + [f"--volume={path}:{place}:ro" for place, path in self.binds.items()]

    def start(self, *args: str) -> None:
        """Start a container, with other *args* than the manifest's when some are given."""
        name = f"kigeon-{uuid.uuid4().hex[:12]}"
        self._names.append(name)
        self._engine.ask("run", "--detach", "--name", name, *self.options(), self._image, *(args or self.args))

    def run(self, *args: str) -> int:
        """Start a container with *args*, and return its exit status when it has ended."""
        self.start(*args)
        return self.wait()

    @property
    def name(self) -> str:
        """The name of the container that was started last."""
        return self._names[-1]

    def signal(self, name: str) -> None:
        """Send PID 1 a signal."""
        self._engine.ask("kill", "--signal", name, self.name)

    def wait(self, timeout: float = 60.0) -> int:
        """Return the exit status, when it has ended."""
        return int(self._engine.ask("wait", self.name, timeout=timeout))

    def stop(self) -> int:
        """End it as the kubelet does, and return the exit status."""
        self.signal("TERM")
        return self.wait(float(self.spec["terminationGracePeriodSeconds"]))

    def output(self) -> tuple[str, str]:
        """Return what it said so far on standard output, and on standard error."""
        done = self._engine.call("logs", self.name)
        return done.stdout, done.stderr

    def log(self) -> list[dict[str, Any]]:
        """Return what it logged so far."""
        return [json.loads(line) for line in "\n".join(self.output()).splitlines() if line.startswith("{")]

    def wait_for_log(self, message: str, **fields: Any) -> dict[str, Any]:
        """Return the last line of the log with a *message* and *fields*, when there is one."""

        def find() -> dict[str, Any] | None:
            lines = [line for line in self.log() if line["message"] == message]
            return next((line for line in reversed(lines) if fields.items() <= line.items()), None)

        try:
            found = wait_until(find, 60.0, message)
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {os.linesep.join(self.output())[-3000:]}") from error
        assert found is not None
        return found

    def accounts(self, actor: str = "sender/loki") -> dict[str, Any]:
        """Return what an actor reported last."""
        status = [line for line in self.log() if line["message"] == "status"]
        found: dict[str, Any] = status[-1]["children"].get(actor, {}) if status else {}
        return found

    def execute(self, *command: str) -> str:
        """Return what a command prints that is run inside."""
        return self._engine.ask("exec", self.name, *command)

    def processes(self) -> list[dict[str, Any]]:
        """Return every process inside: pid, parent, state, title, and its share of the memory in bytes (pss)."""
        found: list[dict[str, Any]] = json.loads(self.execute("python", "-I", "-S", "-c", LOOK))
        return found

    def inspect(self, template: str) -> str:
        """Return what the engine knows of the container, by a Go template."""
        return self._engine.ask("inspect", "--format", template, self.name)
