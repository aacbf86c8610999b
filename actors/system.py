"""Starts kigeon with its settings, and runs it until its end."""

from __future__ import annotations

import gc
import os

from actors.imports import import_actors
from actors.keeping import kept_server
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
from kigeon.queue.broker.stream_configs import file_store_bytes

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
    # One of several replicas may never need what the others are made of: the Supervisor imports it then.
    import_actors(spec.children if spec.replica is None else (MEMBERSHIP,))
    # A page of Events is thousands of dicts without a cycle: searching for cycles costs more than reading the page.
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
