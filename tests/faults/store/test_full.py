"""The disk is full, and later it is not: everything goes on, nothing is lost and nothing doubled."""

from pathlib import Path

from kigeon.standin.apiserver import ApiServer
from tests.faults.store.broker import Stored
from tests.support.disk import Disk
from tests.support.events import assert_once, make_event
from tests.support.flow import Flow, finish
from tests.support.http import LISTEN, checks, get
from tests.support.kigeon import loki_sender
from tests.support.loki import Loki
from tests.support.processes import wait_until

SMALL = {"queue": {"eventsMaxBytes": "4Mi"}}
NOT_STORING = "nats-server does not store, it is restarted"


def test_it_fills_up_while_events_flow(tmp_path: Path, api: ApiServer, loki: Loki, flow: Flow, disk: Disk) -> None:
    with Stored(tmp_path, api, [loki_sender(loki)], disk, **SMALL) as kigeon:
        for _ in range(2):
            loki.wait_for(len(loki.lines) + 50)
            said = len(kigeon.said(NOT_STORING))
            disk.fill()
            wait_until(lambda before=said: len(kigeon.said(NOT_STORING)) > before, 60, "a word about it")
            disk.free()
        loki.wait_for(len(loki.lines) + 50, 60)
        finish(kigeon, flow, loki)


def test_it_fills_up_while_loki_is_away(tmp_path: Path, api: ApiServer, loki: Loki, disk: Disk) -> None:
    """What was stored before, what came meanwhile, and the positions afterwards."""
    events = [make_event(number) for number in range(3000)]
    loki.always = lambda tenant: 503
    with Stored(tmp_path, api, [loki_sender(loki)], disk, **SMALL) as kigeon:
        api.wait_for_watches()
        api.put_events(events[:1000])
        kigeon.wait_until_accounted("queue", stored=1000)
        disk.fill()
        api.put_events(events[1000:2000])
        kigeon.wait_until_said(NOT_STORING, 60)
        loki.always = lambda tenant: 0
        # Loki has the first push; that it went cannot be written down.
        loki.wait_for(1, 60)
        disk.free()
        api.put_events(events[2000:])
        loki.wait_for(3000, 90)
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)


def test_it_is_full_and_kigeon_is_live_and_not_ready(
    tmp_path: Path, api: ApiServer, loki: Loki, flow: Flow, disk: Disk
) -> None:
    with Stored(tmp_path, api, [loki_sender(loki)], disk, **SMALL, http=LISTEN) as kigeon:
        wait_until(lambda: get(kigeon, "/readyz")[0] == 200, what="a kigeon that is ready")
        disk.fill()
        wait_until(lambda: "store" in checks(kigeon, "/readyz"), 60, "a reason")
        assert get(kigeon, "/livez")[0] == 200
        disk.free()
        wait_until(lambda: get(kigeon, "/readyz")[0] == 200, 60, "a kigeon that is ready again")
        finish(kigeon, flow, loki)


def test_it_is_full_when_kigeon_starts_again(tmp_path: Path, api: ApiServer, loki: Loki, disk: Disk) -> None:
    """It waits for room, and goes on from where it was."""
    events = [make_event(number) for number in range(2000)]
    api.put_events(events[:1000])
    with Stored(tmp_path, api, [loki_sender(loki)], disk, **SMALL) as kigeon:
        loki.wait_for(1000)
        kigeon.kill_tree()
        disk.fill()
        kigeon.start()
        api.put_events(events[1000:])
        kigeon.wait_until_said(NOT_STORING, 60)
        disk.free()
        loki.wait_for(2000, 60)
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)


def test_it_is_full_when_kigeon_starts_for_the_first_time(
    tmp_path: Path, api: ApiServer, loki: Loki, disk: Disk
) -> None:
    """It says so and exits: a disk that has no room for an empty queue is a mistake."""
    disk.fill()
    with Stored(tmp_path, api, [loki_sender(loki)], disk, **SMALL) as kigeon:
        assert kigeon.wait() == 1
        said = kigeon.log_path.read_text()
        assert "can't be used: No space left on device: give it a larger volume" in said
        assert "Traceback" not in said
        disk.free()
        api.put_events([make_event(1)])
        kigeon.start()
        loki.wait_for(1)
        assert kigeon.stop() == 0


def test_what_can_not_be_delivered_is_parked_when_there_is_room_again(
    tmp_path: Path, api: ApiServer, loki: Loki, disk: Disk
) -> None:
    """Parking fails as storing does; nothing that waits for it is lost."""
    events = [make_event(number) for number in range(400)]
    refused = [event for event in events if event["metadata"]["uid"].endswith("7")]
    loki.refuse = lambda line: line.fields["uid"].endswith("7")
    loki.always = lambda tenant: 503
    with Stored(tmp_path, api, [loki_sender(loki)], disk, **SMALL) as kigeon:
        api.put_events(events)
        kigeon.wait_until_accounted("queue", stored=400)
        disk.fill()
        loki.always = lambda tenant: 0
        kigeon.wait_until_said(NOT_STORING, 60)
        disk.free()
        kigeon.wait_until_accounted("sender/loki", 60, sent=360, parked=40, inMemory=0)
        assert kigeon.stop() == 0
    assert len(refused) == 40
    assert_once(loki.lines, [event for event in events if event not in refused])


def test_there_is_no_room_for_the_server_s_own_files(
    tmp_path: Path, api: ApiServer, loki: Loki, flow: Flow, disk: Disk
) -> None:
    """The server is killed while the disk is full: neither its configuration nor its log can be written."""
    with Stored(tmp_path, api, [loki_sender(loki)], disk, **SMALL) as kigeon:
        loki.wait_for(50)
        kigeon.server()
        disk.fill()
        for _ in range(2):
            kigeon.signal_server(9)
            kigeon.wait_until_said("nats-server ended, it is restarted")
            said = len(kigeon.said("nats-server can't be restarted"))
            wait_until(
                lambda before=said: (
                    len(kigeon.said("nats-server can't be restarted")) > before or kigeon.said("nats-server started")
                )
            )
        disk.free()
        finish(kigeon, flow, loki)
