"""A real Loki whose answers get lost: what it was told twice it tells once.

It drops a repeat of what is in the block that it is filling (256 KiB of a stream), also after it was killed. A repeat
of what is in an older block, or was flushed, it takes: queries for lines show it once all the same, but queries that
count (``count_over_time``) may count it twice.
"""

from __future__ import annotations

import signal
from pathlib import Path

from kigeon.standin.apiserver import ApiServer
from tests.conformance.holding import assert_held_once, sender, wait_for_sent
from tests.conformance.loki import RealLoki
from tests.conformance.relay import Relay
from tests.support.events import make_event
from tests.support.kigeon import Kigeon


def test_a_small_push_whose_answer_was_lost(api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str) -> None:
    events = [make_event(number) for number in range(50)]
    api.put_events(events)
    with Relay(real_loki.url) as relay, Kigeon(folder, api, [sender(relay, tenant)]) as kigeon:
        relay.lose = 2
        wait_for_sent(kigeon, 50)
        assert kigeon.stop() == 0
    assert relay.lost == [204, 204]
    assert_held_once(real_loki, tenant, events)
    assert real_loki.count(tenant) == 50


def test_a_large_push_whose_answer_was_lost(api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str) -> None:
    """Of one stream, and larger than the block that Loki drops repeats of."""
    events = [make_event(number, message=f"{number} " + "x" * 1000) for number in range(3000)]
    api.put_events(events)
    with Relay(real_loki.url) as relay, Kigeon(folder, api, [sender(relay, tenant)]) as kigeon:
        relay.lose = 3
        wait_for_sent(kigeon, 3000)
        assert kigeon.stop() == 0
    assert relay.lost == [204, 204, 204]
    assert_held_once(real_loki, tenant, events)


def test_a_killed_kigeon_that_had_not_heard_the_answer(
    api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str
) -> None:
    events = [make_event(number) for number in range(2000)]
    with Relay(real_loki.url) as relay, Kigeon(folder, api, [sender(relay, tenant)]) as kigeon:
        relay.lose = 1000
        api.put_events(events[:1000])
        relay.wait_for_losses(1)
        kigeon.kill_tree()
        api.put_events(events[1000:])
        relay.lose = 0
        kigeon.start()
        wait_for_sent(kigeon, 2000)
        assert kigeon.stop() == 0
    assert_held_once(real_loki, tenant, events)


def test_a_loki_that_was_killed_before_it_is_told_again(
    api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str
) -> None:
    """Its write-ahead log has what it stored, and it knows it again."""
    events = [make_event(number) for number in range(300)]
    api.put_events(events)
    with Relay(real_loki.url) as relay, Kigeon(folder, api, [sender(relay, tenant)]) as kigeon:
        relay.lose = 1000
        relay.wait_for_losses(1)
        real_loki.server.end(signal.SIGKILL)
        relay.lose = 0
        real_loki.server.start()
        wait_for_sent(kigeon, 300, 120)
        assert kigeon.stop() == 0
    assert_held_once(real_loki, tenant, events)
    assert real_loki.count(tenant) == 300


def test_a_loki_that_has_flushed_before_it_is_told_again(
    api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str
) -> None:
    events = [make_event(number) for number in range(300)]
    api.put_events(events)
    with Relay(real_loki.url) as relay, Kigeon(folder, api, [sender(relay, tenant)]) as kigeon:
        relay.lose = 1000
        relay.wait_for_losses(1)
        real_loki.flush()
        relay.lose = 0
        wait_for_sent(kigeon, 300, 120)
        assert kigeon.stop() == 0
    assert_held_once(real_loki, tenant, events)
