"""Runs one actor system: Thespian's admin, the Supervisor, and their sockets."""

from __future__ import annotations

import logging
import os
import select
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from thespian.actors import ActorSystem, ActorSystemException

from actors.messages import Ping, Status, Stop, Stopped, Supervise
from actors.supervisor import Supervisor
from actors.transport import DIRECTORY, SYSTEM_BASE, let_go
from kigeon.observability.logs import definitions
from kigeon.processes import is_running, kill_descendants, parents

log = logging.getLogger(__name__)

START_WITHIN = 15.0
"""Seconds to wait for the Supervisor's first Status."""

ASK_FOR = 1.0
"""Seconds for one question at the start; after each, signals are checked."""

_PREFIX = "kigeon-"


class System:
    """One actor system with its Supervisor, its sockets in a private directory.

    *note* is a file that records the directory, so that after a crash the next kigeon removes it. The constructor waits
    for the Supervisor's first Status, unless *hurry* returns true.
    """

    def __init__(self, order: Supervise, note: Path, hurry: Callable[[], bool]) -> None:
        self._order = order
        self._nonce = 0
        self._pids: tuple[int, ...] = ()
        self.ends: list[int] = []
        """Descriptors that become readable when one of :attr:`pids` has ended."""
        self._directory = _fresh_directory(note)
        self._actors: ActorSystem | None = None
        try:
            capabilities = {DIRECTORY: self._directory}
            logs = definitions(order.settings.global_.log_format)
            self._actors = ActorSystem(SYSTEM_BASE, capabilities, logs, transientUnique=True)
            self._supervisor = self._actors.createActor(Supervisor)
            self._actors.tell(self._supervisor, order)
            status = self._first_answer(hurry)
        except (ActorSystemException, OSError) as error:
            log.error("the actor system does not start", extra={"error": repr(error)})
            return
        if status is not None:
            self._pids = _thespians(status.pid)
            with suppress(OSError):
                self.ends += map(os.pidfd_open, self._pids)

    def _first_answer(self, hurry: Callable[[], bool]) -> Status | None:
        deadline = time.monotonic() + START_WITHIN
        while (asked := time.monotonic()) < deadline and not hurry():
            status = self.ping(ASK_FOR)
            # An early None means that there is nobody who could answer.
            if status is not None or time.monotonic() - asked < ASK_FOR * 0.9:
                return status
        return None

    @property
    def pids(self) -> tuple[int, ...]:
        """The Supervisor and the admin; none before the Supervisor has answered."""
        return self._pids

    @property
    def tells_its_end(self) -> bool:
        """Whether the end of each process makes one of :attr:`ends` readable; not every kernel can do that."""
        return len(self.ends) == len(self._pids)

    def is_alive(self) -> bool:
        """Whether the admin and the Supervisor run."""
        if self._pids and self.tells_its_end:
            return not select.select(self.ends, [], [], 0)[0]
        return bool(self._pids) and all(is_running(pid) for pid in self._pids)

    def ping(self, within: float) -> Status | None:
        """Ask the Supervisor for its Status; None without an answer *within* seconds."""
        if self._actors is None:
            return None
        self._nonce += 1
        deadline = time.monotonic() + within
        answer = self._actors.ask(self._supervisor, Ping(self._nonce), within)
        while answer is not None and time.monotonic() < deadline:
            if isinstance(answer, Status) and answer.nonce == self._nonce:
                if not answer.is_planned:
                    # The Supervisor does not know what to run: the message that told it what to run was lost.
                    self._actors.tell(self._supervisor, self._order)
                return answer
            answer = self._actors.listen(deadline - time.monotonic())
        return None

    def stop(self, grace: float, hurry: Callable[[], bool]) -> Mapping[str, Mapping[str, Any]] | None:
        """Have the actors finish within *grace* seconds, less when in a *hurry*; return their last reports."""
        if not self.is_alive() or self._actors is None:
            return None
        deadline = time.monotonic() + grace
        self._actors.tell(self._supervisor, Stop(grace - 0.5))
        # When one of them ends meanwhile, no answer will come.
        while time.monotonic() < deadline and not hurry() and self.is_alive():
            answer = self._actors.listen(0.1)
            if isinstance(answer, Stopped):
                return answer.report
        log.warning("not every actor finished in time, events that were not sent are sent after the next start")
        return None

    def tear_down(self, spared: frozenset[int]) -> None:
        """End every process below this one but *spared*, and remove the sockets."""
        kill_descendants(os.getpid(), spared)
        self._actors = None
        let_go()
        while self.ends:
            os.close(self.ends.pop())
        shutil.rmtree(self._directory, ignore_errors=True)


def _fresh_directory(note: Path) -> str:
    """Make a private directory with a short path (a socket's has at most 107 bytes), and remove the former one."""
    directory = tempfile.mkdtemp(prefix=_PREFIX, dir=_place_of(note))
    try:
        forerunner = Path(note.read_text()) if note.exists() else Path()
        if forerunner.name.startswith(_PREFIX):
            shutil.rmtree(forerunner, ignore_errors=True)
        note.write_text(directory)
    except OSError as error:
        log.warning("the path of the sockets' directory can't be recorded", extra={"error": str(error)})
    return directory


def _place_of(note: Path) -> str:
    """Return the place for the directory: beside *note* where the only place for temporary files is here."""
    temporary = tempfile.gettempdir()
    here = temporary == str(Path.cwd()) and "TMPDIR" not in os.environ
    return str(note.parent.absolute()) if here else temporary


def _thespians(supervisor: int) -> tuple[int, int]:
    """Return the processes without which the actor system fails: the Supervisor and its parent, the admin."""
    return supervisor, parents().get(supervisor, 0)
