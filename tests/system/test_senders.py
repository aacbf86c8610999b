"""What each sender does with the events, on its own: destinations, filters, hooks, and what Loki refuses."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.support.events import arrived, assert_once, make_event, occurrence_of
from tests.support.hooks import ROUTE_BY_NODE, write_hook
from tests.support.kigeon import Kigeon, accounts, loki_sender
from tests.support.loki import Loki
from tests.support.processes import wait_until


def test_a_dead_sender_changes_nothing_for_the_other(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    events = [make_event(number) for number in range(1000)]
    with Loki() as dead:
        dead.answering.clear()
        with Kigeon(tmp_path, api, [loki_sender(dead, "dead"), loki_sender(loki, "alive")]) as kigeon:
            api.put_events(events[:500])
            loki.wait_for(500)
            os.kill(kigeon.actor("sender/dead"), 9)
            api.put_events(events[500:])
            loki.wait_for(1000)
            dead.answering.set()
            dead.wait_for(1000)
            assert kigeon.stop() == 0
        assert_once(dead.lines, events)
    assert_once(loki.lines, events)


def test_a_namespace_that_is_relabelled_counts_for_events_sent_from_then_on(
    tmp_path: Path, api: ApiServer, loki: Loki
) -> None:
    selector = {"namespaceSelector": {"matchLabels": {"team": "web"}}}
    api.put_namespace("shop", {"team": "web"})
    api.put_namespace("batch", {"team": "data"})
    node = make_event(4, "default", involvedObject={"kind": "Node", "name": "n1", "uid": "n1"})
    api.put_events([make_event(1, "shop"), make_event(2, "batch"), make_event(3, "gone"), node])
    numbers = count(100)

    def told_of_batch() -> bool:
        """Have another event happen there; return whether one has arrived."""
        api.put_events([make_event(next(numbers), "batch")])
        return len(loki.lines) > 1

    with Kigeon(tmp_path, api, [loki_sender(loki, filter=selector)]) as kigeon:
        loki.wait_for(1)
        wait_until(lambda: accounts(kigeon).get("filtered") == 3)
        api.wait_for_request(lambda request: request.path.endswith("namespaces") and "watch" in request.query)
        api.put_namespace("shop", {"team": "other"})
        api.put_namespace("batch", {"team": "web"})
        wait_until(told_of_batch)
        api.put_events([make_event(5, "shop")])
        api.put_events([make_event(6, "batch")])
        loki.wait_for(lambda lines: lines[-1].fields["name"] == "web-6.17a")
        assert kigeon.stop() == 0
    assert [line.fields["namespace"] for line in loki.lines][:2] == ["shop", "batch"]
    assert {line.fields["namespace"] for line in loki.lines[1:]} == {"batch"}


def test_cluster_scoped_objects_are_subject_to_their_own_switch(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    api.put_namespace("shop", {"team": "web"})
    api.put_namespace("default", {})
    chosen = {"namespaceSelector": {"matchLabels": {"team": "web"}}, "includeNonNamespaced": True}
    node = make_event(1, "default", involvedObject={"kind": "Node", "name": "n1", "uid": "n1"})
    events = [node, make_event(2, "default"), make_event(3, "shop")]
    api.put_events(events)
    with Kigeon(tmp_path, api, [loki_sender(loki, filter=chosen)]) as kigeon:
        loki.wait_for(2)
        wait_until(lambda: accounts(kigeon).get("filtered") == 1)
    assert_once(loki.lines, [events[0], events[2]])


@contextmanager
def lokis(names: Iterable[str]) -> Iterator[dict[str, Loki]]:
    """Have a Loki for each sender of these *names*."""
    with ExitStack() as running:
        yield {name: running.enter_context(Loki()) for name in names}


FAILING = 'fail("no") if event["reason"] == "Bad" else None\nreturn config'
LOOPING = 'if event["reason"] == "Bad":\n    for i in range(10000000000):\n        pass\nreturn config'
CRASHING = 'if event["reason"] == "Bad":\n    x = [0] * 1000000000\nreturn config'
INVALID = 'return {"url": 7} if event["reason"] == "Bad" else config'
NO_CONFIG = 'return "x" if event["reason"] == "Bad" else config'


BODIES = {"failing": FAILING, "looping": LOOPING, "crashing": CRASHING, "invalid": INVALID, "no-config": NO_CONFIG}


@pytest.mark.parametrize("on_error", ["use-default", "skip"])
def test_a_hook_that_fails_for_one_event(tmp_path: Path, api: ApiServer, on_error: str) -> None:
    """Only that event gets what onError says, at each of several senders whose hooks fail in different ways."""
    good, bad = [make_event(number) for number in range(50)], make_event(50, reason="Bad")
    api.put_events([*good[:25], bad, *good[25:]])
    sent = [*good, bad] if on_error == "use-default" else good
    counts = {"sent": len(sent), "skipped": 51 - len(sent)}
    with lokis(BODIES) as found:
        hooks = {name: write_hook(tmp_path, body, f"{name}.star") for name, body in BODIES.items()}
        senders = [loki_sender(found[name], name, hook={**hooks[name], "onError": on_error}) for name in BODIES]
        with Kigeon(tmp_path, api, senders) as kigeon:
            for name in BODIES:
                found[name].wait_for(len(sent))
                wait_until(lambda name=name: counts.items() <= accounts(kigeon, f"sender/{name}").items(), what=name)
        for loki in found.values():
            assert_once(loki.lines, sent)


def test_an_event_whose_hook_says_fail_waits_and_holds_up_nothing(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    """Through a restart with a script that has been mended."""
    events = [make_event(number, reason="Bad" if number % 10 == 0 else "Good") for number in range(9000)]
    api.put_events(events)
    hook = {**write_hook(tmp_path, FAILING), "onError": "fail"}
    with Kigeon(tmp_path, api, [loki_sender(loki, hook=hook)]) as kigeon:
        loki.wait_for(8100)
        assert kigeon.stop() == 0
        write_hook(tmp_path, "return config")
        kigeon.start()
        loki.wait_for(9000)
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)


def test_one_dead_destination_of_a_hook_holds_up_no_other(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    """What waits for it moves to the retry stream, survives a crash, and is sent once when it is back."""
    events = [make_event(number) for number in range(12000)]
    even = [event for event in events if int(event["source"]["host"][5:]) % 2 == 0]
    api.put_events(events)
    loki.always = lambda tenant: 503 if tenant == "even" else 0
    with Kigeon(tmp_path, api, [loki_sender(loki, hook=write_hook(tmp_path, ROUTE_BY_NODE))]) as kigeon:
        loki.wait_for(len(events) - len(even))
        assert {line.tenant for line in loki.lines} == {"odd"}
        wait_until(lambda: accounts(kigeon).get("retrying", 0) > 0)
        kigeon.kill_tree()
        loki.always = lambda tenant: 0
        kigeon.start()
        loki.wait_for(len(events))
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)
    assert Counter(line.tenant for line in loki.lines)["even"] == len(even)


def test_what_loki_refuses_is_parked_and_the_rest_of_the_push_arrives(
    tmp_path: Path, api: ApiServer, loki: Loki
) -> None:
    events = [make_event(number, reason="Bad" if number in (3, 77, 78) else "Good") for number in range(200)]
    loki.refuse = lambda line: line.fields["reason"] == "Bad"
    api.put_events(events)
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        loki.wait_for(197)
        wait_until(lambda: accounts(kigeon).get("parked") == 3 and accounts(kigeon)["sent"] == 197)
        assert kigeon.stop() == 0
    assert_once(loki.lines, [event for event in events if event["reason"] == "Good"])


def test_an_answer_that_stores_nothing_holds_the_events(tmp_path: Path, api: ApiServer) -> None:
    """Whichever it is: each of several senders has one of its own."""
    statuses = {f"s{status}": status for status in (401, 403, 404, 260, 429, 500)}
    events = [make_event(number) for number in range(100)]
    api.put_events(events)
    with lokis(statuses) as found:
        for name, loki in found.items():
            loki.answer_next(2, statuses[name], "told to", retry_after=0)
        with Kigeon(tmp_path, api, [loki_sender(loki, name) for name, loki in found.items()]) as kigeon:
            for loki in found.values():
                loki.wait_for(100)
            assert kigeon.stop() == 0
        for name, loki in found.items():
            assert_once(loki.lines, events)
            assert [push.status for push in loki.pushes][:2] == [statuses[name]] * 2


def test_a_push_that_is_too_large_is_sent_in_halves(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    events = [make_event(number, message=os.urandom(2000).hex()) for number in range(200)]
    loki.body_limit = 100_000
    api.put_events(events)
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        loki.wait_for(200)
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)


def test_a_connection_that_is_cut_repeats_at_most_what_loki_drops(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    events = [make_event(number) for number in range(300)]
    loki.cut_before, loki.cut_after = 1, 1
    api.put_events(events)
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        loki.wait_for(300)
        assert wait_until(lambda: loki.repeats)
        wait_until(lambda: accounts(kigeon).get("sent") == 300)
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)


def test_pods_are_shown_to_the_hook(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    events = [make_event(number) for number in range(40)]
    for number in range(20):
        api.put_pod("shop", f"web-{number}", uid=f"pod-{number}", labels={"team": f"t{number % 3}"})
    api.put_events(events)
    body = 'config["streamLabels"] = {"team": event["pod"]["metadata"]["labels"]["team"]}\nreturn config'
    hook = {**write_hook(tmp_path, body), "enrichPod": True, "skipOnPodNotFound": True}
    with Kigeon(tmp_path, api, [loki_sender(loki, hook=hook)]) as kigeon:
        loki.wait_for(20)
        wait_until(lambda: accounts(kigeon).get("skipped") == 20)
    assert_once(loki.lines, events[:20])
    assert {dict(line.labels)["team"] for line in loki.lines} == {"t0", "t1", "t2"}


def test_the_line_its_labels_and_its_metadata(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    event = make_event(1)
    api.put_events([event])
    with Kigeon(tmp_path, api, [loki_sender(loki, tenantID="t1", streamLabels={"cluster": "c", "type": "mine"})]):
        (line,) = loki.wait_for(1)
    assert line.tenant == "t1"
    assert dict(line.labels) == {
        "cluster": "c",
        "namespace": "shop",
        "type": "mine",
        "service_name": "kigeon",
    }
    assert dict(line.metadata) == {
        "level": "warn",
        "involved_object_kind": "Pod",
        "involved_object_name": "web-1",
        "reason": "BackOff",
        "source_component": "kubelet",
        "source_host": "node-1",
        "event_uid": event["metadata"]["uid"],
    }
    assert list(line.fields) == [
        "name", "namespace", "involvedObjectKind", "involvedObjectName", "involvedObjectNamespace", "reason",
        "message", "type", "count", "sourceComponent", "sourceHost", "uid", "involvedObjectUID", "firstTimestamp",
        "lastTimestamp",
    ]  # fmt: skip
    assert arrived([line]) == {occurrence_of(event): 1}


def test_events_of_a_namespace_that_was_deleted_while_they_waited_are_judged_by_its_labels(
    tmp_path: Path, api: ApiServer, loki: Loki
) -> None:
    """Through a restart, where nobody is there any more to be asked."""
    api.put_namespace("shop", {"team": "web"})
    api.put_namespace("bank", {"team": "pay"})
    events = [make_event(number, ("shop", "bank")[number % 2]) for number in range(100)]
    chosen = loki_sender(loki, filter={"namespaceSelector": {"matchLabels": {"team": "web"}}})
    with Kigeon(tmp_path, api, [chosen]) as kigeon:
        api.wait_for_watches(2)
        loki.always = lambda tenant: 503
        api.put_events(events)
        loki.wait_for_pushes(1)
        assert kigeon.stop() == 0
        for name in ("shop", "bank"):
            api.delete_namespace(name)
        loki.always = lambda tenant: 0
        kigeon.start()
        loki.wait_for(50)
        wait_until(lambda: accounts(kigeon).get("filtered") == 50)
        assert kigeon.stop() == 0
    assert_once(loki.lines, events[::2])
