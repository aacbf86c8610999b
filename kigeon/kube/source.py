"""Which cluster kigeon reads; this module loads nothing of what it takes to reach the cluster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ClusterSource:
    """Where the credentials are: a kubeconfig file, or (None) the Pod that this process runs in.

    ``more`` are further files, which are merged into the first: KUBECONFIG may name several.
    """

    kubeconfig: Path | None = None
    more: tuple[Path, ...] = ()
