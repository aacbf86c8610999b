"""``kigeon demo``, as somebody runs it who wants to see what kigeon does."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from datetime import datetime
from urllib.request import urlopen

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


def on_a_terminal(*more: str, looks: Callable[[int, str], None] = lambda terminal, shown: None) -> tuple[int, str]:
    """Run it on a terminal of 80 columns; return its exit status and what was written there."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [*DEMO, *more], {**os.environ, "TERM": "xterm"})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    shown = b""
    try:
        while chunk := os.read(terminal, 65536):
            shown += chunk
            looks(terminal, shown.decode(errors="replace"))
    except OSError:  # So a terminal tells that nobody has it open any more.
        pass
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


def test_on_a_terminal_it_is_a_table_with_the_accounts_below() -> None:
    status, shown = on_a_terminal("--events", "60", "--rate", "200")
    assert status == 0, shown
    lines = [line.rpartition("\x1b[K")[2] for line in shown.replace("\r\n", "\n").strip().split("\n")]
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert plain[0].startswith("The status page of this demo is at http://127.0.0.1:")
    plain = plain[2:]
    assert plain[0].split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT"]
    assert max(map(len, plain)) <= 80
    assert "{" not in plain[1]
    rows = [line for line in plain if re.search(r"s +(Normal|Warning)   ", line)]
    seen, repeated, sent = (int(part.split()[1]) for part in plain[-1].split(", "))
    assert (seen, sent) == (60, len(rows))
    assert repeated + sent == 60
    assert re.search(r"seen \d+, repeated \d+, sent \d+ · \d+s · Ctrl-C ends it", shown)


def test_on_a_terminal_ctrl_c_ends_it_with_the_accounts() -> None:
    pressed: list[str] = []

    def press(terminal: int, shown: str) -> None:
        if "Normal" in shown and not pressed:
            pressed.append(shown)
            (address,) = re.findall(r"http://[\d.:]+/", shown)
            with urlopen(address, timeout=20) as page:
                assert "text/html" in page.headers["Content-Type"]
            os.write(terminal, b"\x03")

    status, shown = on_a_terminal("--events", "100000", "--rate", "50", looks=press)
    assert status == 0, shown
    assert re.search(r"seen \d+, repeated \d+, sent \d+(\x1b\[0m)?\r\n$", shown)
