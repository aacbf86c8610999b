"""What a dead process leaves behind is ended by the root, and nothing else is."""

import json
import subprocess
import sys

from tests.support.processes import is_running

# A process of its own: it adopts whatever it leaves behind.
PROGRAM = """
import json, os, subprocess, sys, time
from actors.orphans import Orphans
from kigeon.processes import become_subreaper, children, kill_descendants, reap

LEAVES = '''
import os, signal, subprocess
left = subprocess.Popen(["sleep", "100"], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
os.kill(left.pid, signal.SIGSTOP)
print(left.pid, flush=True)
os._exit(0)
'''

become_subreaper()
before = subprocess.Popen(["sleep", "100"]).pid
orphans = Orphans()
own = subprocess.Popen(["sleep", "100"]).pid
left = int(subprocess.run([sys.executable, "-c", LEAVES], stdout=subprocess.PIPE, check=True).stdout)
orphans.end([own])
reap()
first = sorted(children(os.getpid()))
deadline = time.monotonic() + 20
while left in children(os.getpid()) and time.monotonic() < deadline:
    orphans.end([own])
    reap()
    time.sleep(0.001)
print(json.dumps({"left": left, "kept": sorted([before, own]), "first": first, "now": sorted(children(os.getpid()))}))
kill_descendants(os.getpid())
"""


def test_an_orphan_is_ended_although_it_is_stopped() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    said = json.loads(done.stdout)
    # It may have been about to end by itself, when it was seen for the first time.
    assert said["first"] == sorted([*said["kept"], said["left"]])
    assert said["now"] == said["kept"]
    assert not is_running(said["left"])
    assert "whose parent has ended" in done.stderr
