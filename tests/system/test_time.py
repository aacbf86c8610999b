"""What a cluster's own expiry of Events does: longer than configured, or while nobody watches."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kigeon.standin.apiserver import ApiServer
from tests.support.events import assert_once, make_event
from tests.support.kigeon import Kigeon, accounts, loki_sender
from tests.support.loki import Loki
from tests.support.processes import wait_until


def told(kigeon: Kigeon, part: str) -> list[dict[str, Any]]:
    return [line for line in kigeon.log() if part in line["message"]]


def aged(number: int, seconds: float) -> dict[str, Any]:
    """Return an Event that was written so long ago."""
    stamp = datetime.fromtimestamp(time.time() - seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    event = make_event(number, firstTimestamp=stamp, lastTimestamp=stamp)
    event["metadata"]["creationTimestamp"] = stamp
    return event


def test_events_that_live_longer_than_configured_are_remembered_for_longer(
    tmp_path: Path, api: ApiServer, loki: Loki
) -> None:
    """As OpenShift has them: three hours. What was seen of it survives a restart."""
    old, fresh = [aged(number, 10_500) for number in range(3)], make_event(9)
    api.put_events(old)
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        (said,) = wait_until(lambda: told(kigeon, "kubernetesEventsMaxLifetime"), what="an error")
        assert (said["level"], said["configured"], said["observed"]) == ("error", 3600.0, 10_800.0)
        loki.wait_for(3)
        kigeon.kill_tree()
        api.delete_events()
        kigeon.log_path.write_text("")
        kigeon.start()
        wait_until(lambda: accounts(kigeon, "watcher").get("observedLifetime") == 10_800.0)
        api.put_events(old)
        api.put_events([fresh])
        loki.wait_for(4)
        assert kigeon.stop() == 0
        assert not told(kigeon, "kubernetesEventsMaxLifetime")
    assert_once(loki.lines, [*old, fresh])


def test_a_gap_is_told_from_when_to_when(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    """Away for longer than Events live, and none is left that would show that the history goes on."""
    with Kigeon(tmp_path, api, [loki_sender(loki)], queue={"kubernetesEventsMaxLifetime": "1s"}) as kigeon:
        api.put_events([aged(1, 0)])
        loki.wait_for(1)
        wait_until(lambda: kigeon.ask("status")["watcher"]["watchedUntil"], what="a watch that is noted")
        kigeon.kill_tree()
        killed = time.time()
        wait_until(lambda: time.time() > killed + 1.5)
        api.delete_events()
        api.store.expire_history()
        kigeon.start()
        (said,) = wait_until(lambda: told(kigeon, "Events may be missing"), what="an error")
        assert said["level"] == "error"
        since, until = (datetime.fromisoformat(said[key]).timestamp() for key in ("since", "until"))
        assert since <= killed
        assert killed + 0.5 < until <= time.time()
        wait_until(lambda: accounts(kigeon, "watcher").get("gaps") == 1, what="a report with the gap")
        assert kigeon.stop() == 0


def test_a_restart_shows_no_gap(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        api.put_events([make_event(1)])
        loki.wait_for(1)
        kigeon.kill_tree()
        api.store.expire_history()
        kigeon.start()
        api.put_events([make_event(2)])
        loki.wait_for(2)
        assert kigeon.stop() == 0
    assert not told(kigeon, "Events may be missing")
