"""The machine loses its power, and with it whatever was not on its disk: nothing that was acknowledged is lost."""

from pathlib import Path

import pytest
from nats.aio.client import Client

from kigeon.standin.apiserver import ApiServer
from tests.faults.store.broker import Stored
from tests.support.disk import Disk
from tests.support.events import assert_once, make_event
from tests.support.flow import Flow
from tests.support.kigeon import loki_sender
from tests.support.loki import Loki
from tests.support.names import DEAD_LETTER
from tests.support.processes import wait_until


def is_refused(uid: str) -> bool:
    return uid.endswith("7")


def after_the_power_failed(kigeon: Stored, drive: Disk) -> None:
    """Start everything again on what the disk holds."""
    kigeon.kill_tree()
    drive.unmount()
    drive.mount()
    kigeon.start()


def largest_push(loki: Loki) -> int:
    return max(push.lines for push in loki.pushes)


async def dead_letters(client: Client) -> int:
    return int((await client.jetstream().stream_info(DEAD_LETTER)).state.messages)


@pytest.mark.parametrize("gap", [0, 3, 20])
def test_only_the_queue_has_them(tmp_path: Path, api: ApiServer, loki: Loki, drive: Disk, gap: int) -> None:
    """The cluster has forgotten what was stored; more is on its way, *gap* batches of it, when the power fails."""
    events = [make_event(number) for number in range(2000)]
    wanted = [event for event in events if not is_refused(event["metadata"]["uid"])]
    loki.refuse = lambda line: is_refused(line.fields["uid"])
    with Stored(tmp_path, api, [loki_sender(loki)], drive) as kigeon:
        api.put_events(events[:1000])
        kigeon.wait_until_accounted("sender/loki", sent=900, parked=100, inMemory=0)
        loki.always = lambda tenant: 503
        api.put_events(events[1000:1500])
        kigeon.wait_until_accounted("queue", stored=1500)
        api.delete_events()
        for start in range(1500, 1500 + 10 * gap, 10):
            api.put_events(events[start : start + 10])
        drive.lose_power()
        after_the_power_failed(kigeon, drive)
        loki.always = lambda tenant: 0
        api.put_events(events[1500 + 10 * gap :])
        kigeon.wait_until_accounted("queue", stored=2000)
        loki.wait_for(len(wanted))
        wait_until(lambda: kigeon.ask_server(dead_letters) == 200)
        assert kigeon.stop() == 0
    assert_once(loki.lines, wanted)


def test_it_fails_again_and_again_while_events_flow(
    tmp_path: Path, api: ApiServer, loki: Loki, drive: Disk, flow: Flow
) -> None:
    cuts = 3
    with Stored(tmp_path, api, [loki_sender(loki)], drive) as kigeon:
        for _ in range(cuts):
            loki.wait_for(len(loki.lines) + 200)
            drive.lose_power()
            after_the_power_failed(kigeon, drive)
        loki.wait_for(len(loki.lines) + 200)
        events = flow.stop()
        loki.wait_for(len(events))
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)
    assert loki.repeats <= cuts * largest_push(loki)


def test_a_dead_disk_is_told_and_another_kigeon_goes_on_when_it_is_there_again(
    tmp_path: Path, api: ApiServer, loki: Loki, drive: Disk, flow: Flow
) -> None:
    """The disk is gone under a kigeon that runs: it says so and does not end, for the volume may come back."""
    with Stored(tmp_path, api, [loki_sender(loki)], drive) as kigeon:
        loki.wait_for(100)
        drive.lose_power()
        wait_until(lambda: kigeon.said("nats-server does not store") or kigeon.said("nats-server can't be"), 60)
        kigeon.tree()
        after_the_power_failed(kigeon, drive)
        loki.wait_for(len(loki.lines) + 100, 60)
        events = flow.stop()
        loki.wait_for(len(events))
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)


def test_it_turns_read_only(tmp_path: Path, api: ApiServer, loki: Loki, drive: Disk, flow: Flow) -> None:
    """As ext4 does to itself after an error of the disk."""
    with Stored(tmp_path, api, [loki_sender(loki)], drive) as kigeon:
        loki.wait_for(100)
        drive.remount("abort")
        wait_until(lambda: kigeon.said("nats-server does not store") or kigeon.said("nats-server can't be"), 60)
        after_the_power_failed(kigeon, drive)
        loki.wait_for(len(loki.lines) + 100, 60)
        events = flow.stop()
        loki.wait_for(len(events))
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)


def test_it_is_read_only_when_kigeon_starts(tmp_path: Path, api: ApiServer, loki: Loki, disk: Disk) -> None:
    disk.remount("ro")
    with Stored(tmp_path, api, [loki_sender(loki)], disk) as kigeon:
        assert kigeon.wait() == 1
        said = kigeon.log_path.read_text()
        assert "can't be used: Read-only file system: mount the volume for writing" in said
        assert "Traceback" not in said
        disk.remount("rw")
        api.put_events([make_event(1)])
        kigeon.start()
        loki.wait_for(1)
        assert kigeon.stop() == 0
