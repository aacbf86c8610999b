"""kigeon with two senders, events that flow through it, and faults that can be armed in its processes."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch

from kigeon.standin.apiserver import ApiServer
from tests.faults.actors.flow import Account, Flow
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.processes import is_running, wait_until

REPOSITORY = Path(__file__).parents[3]
PLUGIN = Path(__file__).with_name("plugin")

SENDERS = ("sender/one", "sender/two")
PIPELINE = ("watcher", "deduplicator", "queue")
CHILDREN = (*PIPELINE, *SENDERS)

GRACE = 4.0

IMPATIENT: dict[str, dict[str, Any]] = {
    "actors.restarts": {"DELAYS": [0.0, 0.1, 0.3], "HEALTHY": 1.0, "START_DEADLINE": 5.0, "ANSWER_DEADLINE": 3.0},
    "actors.supervisor": {"PING_EVERY": 0.5},
    "actors.watcher": {"STORED_TIMEOUT": 3.0},
    "actors.deduplicator": {"FORGET_EVERY": 0.2},
    "actors.root": {"TERMINATION_GRACE": GRACE},
    "actors.actor_system": {"START_WITHIN": 8.0},
}
"""Deadlines that are short enough for a test."""


class FaultyKigeon(Kigeon):
    """kigeon with the plug-in in each of its Python processes; its log is read as it grows."""

    def __init__(self, *args: Any, tuning: dict[str, Any], **sections: Any) -> None:
        super().__init__(*args, **sections)
        self.faults = self.folder / "faults"
        (self.faults / "fired").mkdir(parents=True, exist_ok=True)
        self._environment = {
            "KIGEON_FAULTS": str(self.faults),
            "KIGEON_TUNING": json.dumps(tuning),
            "PYTHONPATH": os.pathsep.join([str(PLUGIN), str(REPOSITORY)]),
        }
        self._read_to = 0
        self._records: list[dict[str, Any]] = []

    def start(self) -> None:
        """Start it, the plug-in first on its path."""
        with patch.dict(os.environ, self._environment):
            super().start()

    def log(self) -> list[dict[str, Any]]:
        """Return what it logged so far."""
        with self.log_path.open("rb") as log:
            log.seek(self._read_to)
            data = log.read()
        complete = data[: data.rfind(b"\n") + 1]
        self._read_to += len(complete)
        self._records += [json.loads(line) for line in complete.splitlines() if line.startswith(b"{")]
        return self._records


class Rig:
    """A context manager. :meth:`settle` is the verdict on what happened before it."""

    def __init__(
        self,
        folder: Path,
        tuning: dict[str, dict[str, Any]] | None = None,
        hook: dict[str, Any] | None = None,
        **sections: Any,
    ) -> None:
        self._stack = ExitStack()
        self.api = self._stack.enter_context(ApiServer())
        self.accounts = [Account(self._stack.enter_context(Loki())) for _ in SENDERS]
        senders = [
            loki_sender(account.loki, name.removeprefix("sender/"), **({"hook": hook} if hook else {}))
            for name, account in zip(SENDERS, self.accounts, strict=True)
        ]
        self.kigeon = FaultyKigeon(folder, self.api, senders, tuning=tuning or {}, **sections)
        self.flow = self._stack.enter_context(Flow(self.api))
        self.is_settled = False
        self._starts: dict[str, int] = {}

    def __enter__(self) -> Self:
        try:
            self._stack.enter_context(self.kigeon)
            self.moving()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    # ------------------------------------------------------------------------------------------------- the accounts

    def moving(self, events: int = 50, timeout: float = 30.0) -> None:
        """Return when so many more events have arrived everywhere."""
        for account in self.accounts:
            account.loki.wait_for(len(account.loki.lines) + events, timeout)

    def moving_for(self, seconds: float) -> None:
        """Return when events have arrived for so long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.moving(1)

    def settle(self, timeout: float = 40.0) -> None:
        """Let the flow pause; every event has to arrive once at each Loki, and then a few more."""
        self.moving()
        self._check(timeout)
        self.flow.resume()
        self.moving(5)
        self._check(timeout)
        self._check_repeats()
        # What is told of is deleted: it is not listed again and again, but its memory stays.
        self.api.delete_events()
        self.flow.resume()
        self.is_settled = True

    def _check(self, timeout: float) -> None:
        wanted = self.flow.pause()
        for account in self.accounts:
            account.check(wanted, timeout)

    def relist(self) -> None:
        """Have the Watcher list everything again; what happens from now on comes after what was listed."""
        watches = self._watches()
        self.api.store.expire_history()
        self.api.faults.end_watches("expire")
        wait_until(lambda: self._watches() > watches, what="another watch")

    def _watches(self) -> int:
        with self.api.store.changed:
            return sum("watch" in request.query for request in self.api.requests)

    def _check_repeats(self) -> None:
        for name, account in zip(SENDERS, self.accounts, strict=True):
            starts = len(self.told("started", actor=name))
            account.check_repeats(starts - self._starts.get(name, 1))
            self._starts[name] = starts

    # --------------------------------------------------------------------------------------------------- the faults

    def arm(self, action: str, point: str, times: int = 1) -> str:
        """Have *action* happen at *point*, so many times (0: always); return the fault's name."""
        name = f"{action}@{point.replace('/', ':')}"
        for number in range(times):
            # Not without its name being complete: it is looked for all the time.
            (self.kigeon.faults / "fired" / f"{name}.{number}").unlink(missing_ok=True)
            (self.kigeon.faults / f"{name}.{number}").touch()
        if not times:
            (self.kigeon.faults / f"{name}.always").touch()
        return name

    def fired(self, name: str, times: int = 1, timeout: float = 20.0) -> None:
        """Return when a fault that was armed has happened so many times."""
        fired = self.kigeon.faults / "fired"
        wait_until(lambda: len(list(fired.glob(f"{name}.*"))) >= times, timeout, what=name)

    def disarm(self) -> None:
        """Take back whatever is armed."""
        for fault in [*self.kigeon.faults.glob("*@*"), *self.kigeon.faults.glob("fired/*")]:
            fault.unlink(missing_ok=True)

    def set_clock(self, hours: float) -> None:
        """Set the wall clock of every Python process of kigeon wrong."""
        fresh = self.kigeon.faults / "clock.new"
        fresh.write_text(str(hours * 3600))
        fresh.rename(self.kigeon.faults / "clock")

    # ------------------------------------------------------------------------------------------------ the processes

    def actor(self, name: str) -> int:
        """Return the process id of an actor that has started and is alive."""
        return self.supervisor() if name == "supervisor" else self.kigeon.actor(name)

    def supervisor(self) -> int:
        """Return the Supervisor's process id: the parent of every actor."""
        return _parent_of(self.kigeon.actor("queue"))

    def admin(self) -> int:
        """Return the process id of Thespian's admin: the Supervisor's parent."""
        return _parent_of(self.supervisor())

    def replaced(self, name: str, pid: int, timeout: float = 30.0) -> int:
        """Return the process id of the successor of an actor that was *pid*, when there is one."""
        wait_until(lambda: not is_running(pid), timeout, what=f"the end of {name}")
        return wait_until(lambda: (found := self.actor(name)) != pid and found, timeout, what=f"another {name}")

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        """Send a signal to an actor; return its process id."""
        pid = self.actor(name)
        os.kill(pid, number)
        return pid

    def stop(self) -> None:
        """End kigeon as its user does: with status 0, in time."""
        began = time.monotonic()
        assert self.kigeon.stop(timeout=60) == 0
        took = time.monotonic() - began
        assert took < GRACE + 3, f"it took {took:.1f} s to end"

    def told(self, message: str, **fields: Any) -> list[dict[str, Any]]:
        """Return the records of the log with this message and these fields."""
        return [
            record
            for record in self.kigeon.log()
            if record["message"] == message and all(record.get(key) == value for key, value in fields.items())
        ]


def _parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
