"""Thespian's admin, which itself writes what Thespian logs: Thespian has a process for that, which takes 2 MiB.

kigeon's actors write their records straight to standard error. What is left are records of Thespian's own, from its
admin and from processes that have not become actors yet. It uses internals of the pinned version, where noted.
"""

from __future__ import annotations

import logging
from logging.config import dictConfig
from typing import Any

from thespian.system import multiprocCommon
from thespian.system.messages.multiproc import LoggerConnected
from thespian.system.transport import TransmitIntent


class Admin(multiprocCommon.MultiProcAdmin):  # type: ignore[misc]
    """The admin whose logger is itself; the methods are those of MultiProcReplicator (4.0.1)."""

    def h_LoggerConnected(self, envelope: Any) -> bool:
        """Begin as Thespian does, but for the logs of this process, which stay with it."""
        root, manager = logging.root, logging.Logger.manager
        super().h_LoggerConnected(envelope)
        logging.root, logging.Logger.root, logging.Logger.manager = root, root, manager
        return True

    def h_LogRecord(self, envelope: Any) -> bool:
        """Write a record that another process has sent."""
        record: logging.LogRecord = envelope.message
        log = logging.getLogger(record.name)
        if log.isEnabledFor(record.levelno):
            log.handle(record)
        return True

    def _cleanupAdmin(self, finish_cleanup: Any) -> None:
        """End without the end of a logger."""
        finish_cleanup()


def log_here(transport_class: Any, transport: Any, admin: Any, capabilities: Any, definitions: Any, _: Any) -> None:
    """Do in place of Thespian's ``_startLogger``, in the admin's process: the logger that connects is the admin."""
    dictConfig(definitions)
    admin.asLogger = admin.asLogProc = None
    transport.scheduleTransmit(None, TransmitIntent(transport.myAddress, LoggerConnected()))


def register() -> None:
    """Let every actor system of this process have this admin."""
    multiprocCommon.MultiProcAdmin = Admin
    multiprocCommon._startLogger = log_here
