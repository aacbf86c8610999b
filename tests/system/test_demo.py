"""``kigeon demo``, as somebody runs it who wants to see what kigeon does."""

import json
import signal
import subprocess
import sys
import time
from datetime import datetime

from kigeon.processes import descendants
from tests.support.processes import is_running, wait_until

DEMO = [sys.executable, "-P", "-m", "kigeon", "demo"]


def second_of(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


def test_it_shows_events_and_closes_with_the_accounts() -> None:
    begun = int(time.time())
    done = subprocess.run([*DEMO, "--events", "60", "--rate", "200"], capture_output=True, text=True, timeout=60)
    *lines, accounts = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    seen, repeated, sent = (int(part.split()[1]) for part in accounts.split(", "))
    assert seen == 60
    assert seen == repeated + sent
    assert len(lines) == sent
    events = [json.loads(line) for line in lines]
    assert all("involvedObjectKind" in event for event in events)
    seen_last = [event["lastTimestamp"] for event in events if "lastTimestamp" in event]
    assert begun <= min(map(second_of, seen_last))
    assert max(map(second_of, seen_last)) <= time.time()


def test_ctrl_c_ends_it_cleanly() -> None:
    with subprocess.Popen(
        [*DEMO, "--rate", "50", "--events", "100000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        demo.stdout.readline()
        below = descendants(demo.pid)
        demo.send_signal(signal.SIGINT)
        output, errors = demo.communicate(timeout=30)
    assert demo.returncode == 0, errors
    assert output.splitlines()[-1].startswith("seen ")
    wait_until(lambda: not any(map(is_running, below)))
