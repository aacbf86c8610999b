"""Thespian's admin writes itself what Thespian logs."""

import json
import os
import subprocess
import sys
from pathlib import Path

RUN = """
import logging, os, sys
from thespian.actors import ActorSystem
from actors.base import KigeonActor
from actors.transport import DIRECTORY, ROOT_PID, SYSTEM_BASE
from kigeon.observability.logs import definitions
from kigeon.processes import become_subreaper, descendants, kill_descendants

become_subreaper()
os.environ[ROOT_PID] = str(os.getpid())
system = ActorSystem(SYSTEM_BASE, {DIRECTORY: sys.argv[1]}, definitions("json"), transientUnique=True)
admin = system._systemBase.adminAddr
for level in (logging.INFO, logging.WARNING):
    system.tell(admin, logging.makeLogRecord({"name": "of.another", "levelno": level, "msg": f"level {level}"}))
actor = system.createActor(KigeonActor)
print(len(descendants(os.getpid())))
kill_descendants(os.getpid())
"""


def test_an_actor_system_is_its_admin_and_its_actors(tmp_path: Path) -> None:
    """What another process has sent is written before what came after it is done."""
    command = [sys.executable, "-c", RUN, str(tmp_path)]
    environ = {**os.environ, "THESPLOG_FILE": str(tmp_path / "thespian.log")}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "2\n"
    (line,) = map(json.loads, done.stderr.splitlines())
    assert (line["component"], line["message"], line["actor"]) == ("of.another", "level 30", "thespian")
