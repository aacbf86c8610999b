"""Finds the cluster that is meant, in the file that was named or in the surroundings of this process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from kigeon.errors import StartError
from kigeon.kube.package import SERVICE_CERT_FILENAME, SERVICE_TOKEN_FILENAME
from kigeon.kube.source import ClusterSource


def discover(kubeconfig: Path | None, environ: Mapping[str, str] = os.environ) -> ClusterSource:
    """Find the cluster: the given file, else the Pod's own, else KUBECONFIG, else ``~/.kube/config``.

    Raises :class:`StartError`, which names all places that were searched.
    """
    if kubeconfig is not None:
        if not kubeconfig.is_file():
            raise StartError(f"--kubeconfig {kubeconfig}: there is no such file")
        return ClusterSource(kubeconfig)
    token, authority = Path(SERVICE_TOKEN_FILENAME), Path(SERVICE_CERT_FILENAME)
    if environ.get("KUBERNETES_SERVICE_HOST") and token.is_file() and authority.is_file():
        return ClusterSource()
    named = [Path(part).expanduser() for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    default = Path("~/.kube/config").expanduser()
    found = [path for path in named if path.is_file()] or [path for path in [default] if path.is_file()]
    if found:
        return ClusterSource(found[0], tuple(found[1:]))
    in_pod = "set" if "KUBERNETES_SERVICE_HOST" in environ else "not set"
    looked_for = (
        f"a Pod's service account (KUBERNETES_SERVICE_HOST is {in_pod}, {token}: {_presence(token)})",
        f"KUBECONFIG ({environ['KUBECONFIG']})" if named else "KUBECONFIG (not set)",
        str(default),
    )
    raise StartError("no cluster was found; looked for: " + "; ".join(looked_for) + ". Give one with --kubeconfig FILE")


def _presence(path: Path) -> str:
    return "there" if path.is_file() else "not there"
