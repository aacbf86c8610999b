"""Events arrive, each once, as a user runs kigeon."""

from pathlib import Path

from kigeon.standin.apiserver import ApiServer
from tests.support.events import assert_once, make_event
from tests.support.kigeon import Kigeon, accounts, loki_sender
from tests.support.loki import Loki
from tests.support.processes import inet_listeners, wait_until


def test_listed_and_watched_events_arrive_once_each(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    listed = [make_event(number) for number in range(5000)]
    watched = [make_event(number) for number in range(5000, 7000)]
    api.put_events(listed)
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        loki.wait_for(5000)
        for start in range(0, 2000, 100):
            api.put_events(watched[start : start + 100])
        loki.wait_for(7000)
        assert kigeon.stop() == 0
    assert_once(loki.lines, listed + watched)
    assert loki.repeats == 0
    assert not loki.malformed


def test_a_killed_tree_loses_nothing_and_doubles_nothing(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    """With history expired in between: everything is listed again, and known."""
    events = [make_event(number) for number in range(6000)]
    api.put_events(events[:4000])
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        loki.wait_for(1000)
        kigeon.kill_tree()
        api.put_events(events[4000:])
        api.store.expire_history()
        kigeon.start()
        loki.wait_for(6000)
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)
    assert all(dict(line.labels)["app"] == "kigeon" for line in loki.lines)


def test_a_raised_count_is_a_line_of_its_own_and_a_touched_annotation_is_not(
    tmp_path: Path, api: ApiServer, loki: Loki
) -> None:
    first, second, other = make_event(1), make_event(1, count=2), make_event(2)
    touched = {**second, "metadata": {**second["metadata"], "annotations": {"seen": "yes"}}}
    api.put_events([first])
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        loki.wait_for(1)
        api.put_events([second])
        loki.wait_for(2)
        api.put_events([touched])
        api.put_events([other])
        loki.wait_for(3)
        assert kigeon.stop() == 0
    assert_once(loki.lines, [first, second, other])


def test_nothing_listens_on_the_network_but_nats_server_on_loopback(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    api.put_events([make_event(1)])
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        loki.wait_for(1)
        nats = kigeon.process("nats-server")
        listeners = inet_listeners(kigeon.tree())
        assert [pid for pid, _ in listeners] == [nats]
        assert all(address.startswith("0100007F:") for _, address in listeners)


def test_a_loki_that_hangs_does_not_keep_it_from_ending(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    """What could not be sent is sent after the next start."""
    events = [make_event(number) for number in range(100)]
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        api.wait_for_watches()
        loki.answering.clear()
        api.put_events(events)
        wait_until(lambda: accounts(kigeon, "queue").get("stored"))
        assert kigeon.stop(timeout=15) == 0
        loki.answering.set()
        kigeon.start()
        wait_until(lambda: accounts(kigeon).get("sent") == 100)
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)


def test_what_was_read_of_a_list_that_does_not_end_is_stored_when_kigeon_ends(
    tmp_path: Path, api: ApiServer, loki: Loki
) -> None:
    """The first page was read, the second fails; then the cluster forgets what was on the first."""
    events = [make_event(number) for number in range(900)]
    api.put_events(events)
    api.faults.fail_next(1, 503, "page", retry_after=20)
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        api.wait_for_request(lambda request: "continue" in request.query)
        assert not loki.lines
        assert kigeon.stop() == 0
        lines = loki.wait_for(500)
        api.delete_events([(line.fields["namespace"], line.fields["name"]) for line in lines])
        kigeon.start()
        loki.wait_for(900)
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)
    assert loki.repeats == 0


def test_a_list_that_stalls_does_not_hold_back_what_was_read_of_it(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    events = [make_event(number) for number in range(900)]
    api.put_events(events)
    api.faults.fail_next(1, 503, "page", retry_after=300)
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        loki.wait_for(500)
        assert kigeon.stop() == 0
