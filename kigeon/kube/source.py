"""Which cluster: said without loading what it takes to reach it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ClusterSource:
    """Where the credentials are: a kubeconfig file, or (None) the Pod that this process runs in.

    ``more`` are further files, as KUBECONFIG may name several: they are merged into the first.
    """

    kubeconfig: Path | None = None
    more: tuple[Path, ...] = ()
