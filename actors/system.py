"""Starts kigeon with its settings, and runs it until its end."""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from importlib import import_module

from actors.messages import ChildSpec
from actors.outside import Outside
from actors.root import Root
from actors.signals import Signals
from actors.spec import RunSpec
from actors.transport import ROOT_PID
from kigeon.http.child import HttpChild
from kigeon.observability.recent import FOLDER as RECENT_FOLDER
from kigeon.observability.recent import VARIABLE as RECENT_LOG
from kigeon.operator.admin_socket import AdminSocket, RequestContext
from kigeon.processes import become_subreaper, kill_descendants, use_few_arenas
from kigeon.queue.broker.address import QueueAddress
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.streams import file_store_bytes
from kigeon.senders.registry import TYPES

LOOK_EVERY = 0.005
"""Seconds between two checks of a starting nats-server."""


def run(spec: RunSpec) -> int:
    """Run until SIGTERM or SIGINT; return the exit status. Raises :class:`StartError` when it can't start."""
    become_subreaper()
    use_few_arenas()
    os.environ[ROOT_PID] = str(os.getpid())
    # The default is a file in the directory for temporary files, where anybody may have put one.
    os.environ["THESPLOG_FILE"] = str(spec.settings.global_.data_dir.absolute() / "run" / "thespian.log")
    os.environ[RECENT_LOG] = str(spec.settings.global_.data_dir.absolute() / RECENT_FOLDER)
    import_actors(spec.children)
    gc.collect()
    gc.freeze()
    # A page of Events is thousands of dicts without a cycle: searching for cycles costs more than reading the page.
    gc.set_threshold(50_000, 20, 20)
    store = NatsServer(spec.settings.global_.data_dir, file_store_bytes(spec.settings.queue))
    with Signals() as signals, store as server, HttpChild(spec.settings) as http:
        outside = Outside(spec.settings, http)
        try:
            if not _starts(server, signals, outside):
                return 0
            context = RequestContext(spec.settings, QueueAddress(server.url, server.token), spec.cluster)
            with AdminSocket(context) as admin_socket:
                return Root(spec, server, signals, admin_socket, outside).run()
        finally:
            kill_descendants(os.getpid(), frozenset({server.pid}))


def import_actors(children: Sequence[ChildSpec]) -> None:
    """Import the modules of *children* before any process forks, so that the processes share the modules' memory."""
    for child in children:
        import_module(child.actor.rpartition(".")[0])
        if child.sender is not None and (kind := TYPES.get(child.sender.type)):
            for module in kind.modules(child.sender.settings):
                import_module(module)


def _starts(server: NatsServer, signals: Signals, outside: Outside) -> bool:
    """Start nats-server, and wait until it takes connections, or a signal comes; return whether it does."""
    server.launch()
    while not (ready := server.look()) and not signals.stops:
        outside.tell()
        signals.wait(LOOK_EVERY)
    return ready
