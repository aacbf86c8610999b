"""Runs all checks of ``kigeon check --connect`` side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from kigeon.checks.cluster import check_cluster
from kigeon.checks.senders import check_sender
from kigeon.checks.volume import check_volume
from kigeon.config.settings import Settings
from kigeon.errors import StartError
from kigeon.finding import Finding, failed, well
from kigeon.kube.discovery import discover
from kigeon.queue.broker.binary import OLDEST, find_binary, version_of

SIDE_BY_SIDE = 16

Check = Callable[[], Iterator[Finding]]


def connect(settings: Settings, kubeconfig: Path | None) -> Iterator[Finding]:
    """Yield what is found, in a fixed order: the cluster, the volume, nats-server or JetStream, each sender."""
    checks: list[Check] = [
        partial(_cluster, settings, kubeconfig),
        partial(check_volume, settings),
        partial(_external, settings) if settings.queue.external is not None else _nats_server,
        *(partial(check_sender, sender) for sender in settings.senders),
    ]
    with ThreadPoolExecutor(SIDE_BY_SIDE, "check") as pool:
        for found in pool.map(lambda check: list(check()), checks):
            yield from found


def _cluster(settings: Settings, kubeconfig: Path | None) -> Iterator[Finding]:
    try:
        source = discover(kubeconfig)
    except StartError as error:
        yield failed("cluster", str(error), "give a kubeconfig with --kubeconfig FILE")
        return
    yield from check_cluster(settings, source)


def _external(settings: Settings) -> Iterator[Finding]:
    # nats-py takes a while to load: only where it is needed.
    from kigeon.checks.queue import check_queue

    if settings.queue.external is not None:
        yield from check_queue(settings, settings.queue.external)


def _nats_server() -> Iterator[Finding]:
    try:
        binary = find_binary()
    except StartError as error:
        yield failed("nats-server", str(error), f"install nats-server {'.'.join(map(str, OLDEST))} or newer")
        return
    yield well("nats-server", f"{binary} is {'.'.join(map(str, version_of(binary)))}")
