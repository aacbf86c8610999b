"""``kigeon start``."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

from actors.spec import RunSpec, children_of, replica_of
from actors.system import run
from kigeon import __version__
from kigeon.config.settings import Settings
from kigeon.kube.source import ClusterSource
from kigeon.processes import in_a_child
from kigeon.redaction import malformed_proxies

log = logging.getLogger(__name__)


def run_start(settings: Settings, kubeconfig: Path | None) -> int:
    """Run until SIGTERM or SIGINT; return the exit status. Raises :class:`~kigeon.errors.StartError`."""
    for variable in malformed_proxies():
        cure = "write special characters in its password as %2F (/), %3F (?), %23 (#), %40 (@)"
        log.error("a proxy's address can't be read", extra={"variable": variable, "cure": cure})
    # A replica that holds no role does without the kubernetes package, which takes more memory than all else.
    cluster, host = _found(kubeconfig) if settings.queue.external is None else in_a_child(partial(_found, kubeconfig))
    senders = [sender.name for sender in settings.senders]
    log.info("kigeon starts", extra={"version": __version__, "cluster": host, "senders": senders})
    replica = replica_of(settings) if settings.queue.external is not None else None
    return run(RunSpec(settings, cluster, children_of(settings), replica=replica))


def _found(kubeconfig: Path | None) -> tuple[ClusterSource, str]:
    """Return where the cluster is, and its URL for logs."""
    from kigeon.kube.access import ClusterAccess
    from kigeon.kube.discovery import discover

    cluster = discover(kubeconfig)
    return cluster, ClusterAccess(cluster).host
