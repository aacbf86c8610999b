"""``kigeon start``."""

from __future__ import annotations

import logging
from pathlib import Path

from actors.spec import RunSpec, children_of
from actors.system import run
from kigeon import __version__
from kigeon.config.settings import Settings
from kigeon.kube.access import ClusterAccess
from kigeon.kube.discovery import discover
from kigeon.redaction import malformed_proxies

log = logging.getLogger(__name__)


def run_start(settings: Settings, kubeconfig: Path | None) -> int:
    """Run until SIGTERM or SIGINT; return the exit status. Raises :class:`~kigeon.errors.StartError`."""
    for variable in malformed_proxies():
        cure = "write special characters in its password as %2F (/), %3F (?), %23 (#), %40 (@)"
        log.error("a proxy's address can't be read", extra={"variable": variable, "cure": cure})
    cluster = discover(kubeconfig)
    host = ClusterAccess(cluster).host
    senders = [sender.name for sender in settings.senders]
    log.info("kigeon starts", extra={"version": __version__, "cluster": host, "senders": senders})
    return run(RunSpec(settings, cluster, children_of(settings)))
