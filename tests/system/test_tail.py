"""``kigeon tail``: the events of a running kigeon, followed."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

from kigeon.operator.following import MOST_FOLLOWING
from kigeon.standin.apiserver import ApiServer
from tests.support.events import make_event
from tests.support.following import tail
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.processes import descendants, title, wait_until


def test_it_begins_with_the_last_and_follows_what_comes(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    api.put_events([make_event(number) for number in range(27)])
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        loki.wait_for(27)
        api.wait_for_watches()
        api.put_events([make_event(number) for number in range(27, 30)])
        loki.wait_for(30)
        with tail(kigeon, "--last", "3") as lines:
            assert next(lines).split()[:4] == ["NAMESPACE", "LAST", "SEEN", "TYPE"]
            assert [next(lines).split()[4] for _ in range(3)] == ["pod/web-27", "pod/web-28", "pod/web-29"]
            api.put_events([make_event(99, count=1)])
            assert next(lines).split()[4] == "pod/web-99"
            # A repeat by a list is no new event.
            api.store.expire_history()
            api.faults.end_watches("expire")
            api.wait_for_watches()
            api.put_events([make_event(99, count=2)])
            assert next(lines).split()[4] == "pod/web-99"
        wait_until(lambda: not answering(kigeon), what="the end of the first one")
        narrowed = ("-n", "other", "--types", "Normal,Odd", "--for", "pod/web-7", "--last", "0", "-o", "json")
        with tail(kigeon, *narrowed) as lines:
            wait_until(lambda: followers(kigeon), what="a place that is taken")
            api.put_events([make_event(7, namespace="shop", count=3), make_event(7, namespace="other", count=4)])
            api.put_events([make_event(8, namespace="other", type="Normal")])
            api.put_events([make_event(7, namespace="other", type="Normal", count=5)])
            found = json.loads(next(lines))
            assert (found["metadata"]["namespace"], found["type"], found["count"]) == ("other", "Normal", 5)
            assert "managedFields" not in found["metadata"]
        with tail(kigeon, "-A", "-o", "name", "--last", "1") as lines:
            assert next(lines) == "event/web-7.17a\n"
        wait_until(lambda: not answering(kigeon), what="the end of whom nobody reads any more")
        assert kigeon.stop() == 0


def answering(kigeon: Kigeon) -> list[int]:
    return [pid for pid in descendants(kigeon.pid) if "kigeon.operator.process" in title(pid)]


def followers(kigeon: Kigeon) -> bool:
    """Whether the locks tell of somebody who follows: it has read by then where the stream ends."""
    return any(is_taken(place) for place in (kigeon.folder / "data" / "run").glob("follower-*"))


def is_taken(place: Path) -> bool:
    with place.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_those_who_follow_leave_room_for_others(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        api.put_events([make_event(1)])
        loki.wait_for(1)
        with tail(kigeon) as first, tail(kigeon) as second:
            for lines in (first, second):
                next(lines)
                next(lines)
            wait_until(lambda: len(answering(kigeon)) == MOST_FOLLOWING)
            command = [sys.executable, "-P", "-m", "kigeon", "tail", "--config", str(kigeon.config)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 1
            assert "2 others follow this kigeon already" in done.stderr
            assert kigeon.ask("status")["watcher"]["stored"] == 1
        assert kigeon.stop() == 0


def test_it_survives_a_queue_that_is_restarted(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        api.put_events([make_event(1)])
        loki.wait_for(1)
        with tail(kigeon, "-o", "name") as lines:
            assert next(lines) == "event/web-1.17a\n"
            os.kill(kigeon.process("nats-server"), 9)
            wait_until(lambda: any("ended, it is restarted" in line["message"] for line in kigeon.log()))
            api.put_events([make_event(2)])
            assert next(lines) == "event/web-2.17a\n"
        assert kigeon.stop() == 0
