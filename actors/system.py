"""From settings to a running kigeon, and to its end."""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from importlib import import_module

from actors.keeping import kept_server
from actors.messages import ChildSpec
from actors.outside import Outside
from actors.roles import MEMBERSHIP
from actors.root import Root
from actors.signals import Signals
from actors.spec import RunSpec
from actors.transport import ROOT_PID
from kigeon.http.child import HttpChild
from kigeon.observability.recent import FOLDER as RECENT_FOLDER
from kigeon.observability.recent import VARIABLE as RECENT_LOG
from kigeon.operator.admin_socket import AdminSocket, RequestContext
from kigeon.processes import become_subreaper, kill_descendants, use_few_arenas
from kigeon.queue.broker.streams import file_store_bytes
from kigeon.senders.registry import TYPES

LOOK_EVERY = 0.005
"""Seconds between two looks at a nats-server that starts."""


def run(spec: RunSpec) -> int:
    """Run until SIGTERM or SIGINT; return the exit status. Raises :class:`StartError` when it can't start."""
    become_subreaper()
    use_few_arenas()
    os.environ[ROOT_PID] = str(os.getpid())
    # By default it is a file that anybody may have put into the directory for temporary files.
    os.environ["THESPLOG_FILE"] = str(spec.settings.global_.data_dir.absolute() / "run" / "thespian.log")
    os.environ[RECENT_LOG] = str(spec.settings.global_.data_dir.absolute() / RECENT_FOLDER)
    import_actors(spec.children if spec.replica is None else (MEMBERSHIP, *spec.children))
    gc.collect()
    gc.freeze()
    # A page of Events is thousands of dicts and not one cycle: looking for some costs more than reading it.
    gc.set_threshold(50_000, 20, 20)
    data_dir, queue = spec.settings.global_.data_dir, spec.settings.queue
    http = HttpChild(spec.settings)
    outside = Outside(spec.settings, http)
    # In this order: a second kigeon is to find the directory in use before it serves anything.
    with Signals() as signals, kept_server(data_dir, queue.external, file_store_bytes(queue), outside) as server, http:

        def goes_on() -> bool:
            """Wait a little; return whether there is still a reason to: a signal ends it."""
            outside.tell()
            signals.wait(LOOK_EVERY)
            return not signals.stops

        try:
            if not server.start(goes_on):
                return 0
            context = RequestContext(spec.settings, server.address, spec.cluster)
            with AdminSocket(context) as admin_socket:
                return Root(spec, server, signals, admin_socket, outside).run()
        finally:
            kill_descendants(os.getpid(), frozenset({server.pid}))


def import_actors(children: Sequence[ChildSpec]) -> None:
    """Import what *children* are made of, before any process forks: they share the memory that this takes."""
    for child in children:
        import_module(child.actor.rpartition(".")[0])
        if child.sender is not None and (kind := TYPES.get(child.sender.type)):
            for module in kind.modules(child.sender.settings):
                import_module(module)
