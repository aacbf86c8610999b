"""No outage of Loki restarts a Pod, or takes it out of service: the manifests' probes, asked as a kubelet does."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kigeon.standin.apiserver import ApiServer
from tests.support.events import assert_once, make_event
from tests.support.http import LISTEN, address, get, value
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.kubelet import Probe
from tests.support.loki import Loki
from tests.support.processes import freeze, wait_until

MANIFEST = Path(__file__).parents[2] / "deploy" / "kubernetes" / "statefulset.yaml"


def probes(kigeon: Kigeon, hurry: float = 1.0) -> tuple[Probe, Probe]:
    """Return the liveness and the readiness probe of the manifests."""
    (container,) = yaml.safe_load(MANIFEST.read_text())["spec"]["template"]["spec"]["containers"]
    where = address(kigeon)
    return Probe.of(container["livenessProbe"], where, hurry), Probe.of(container["readinessProbe"], where, hurry)


@pytest.fixture
def kigeon(tmp_path: Path, api: ApiServer, loki: Loki) -> Iterator[Kigeon]:
    with Kigeon(tmp_path / "kigeon", api, [loki_sender(loki)], http=LISTEN) as running:
        wait_until(lambda: get(running, "/readyz")[0] == 200, what="a kigeon that is ready")
        yield running


def refuses(loki: Loki) -> None:
    loki.always = lambda tenant: 401


def fails(loki: Loki) -> None:
    loki.always = lambda tenant: 503


def hangs(loki: Loki) -> None:
    loki.always = lambda tenant: 0
    loki.answering.clear()


def test_however_loki_fails_no_probe_does(kigeon: Kigeon, api: ApiServer, loki: Loki) -> None:
    live, ready = probes(kigeon)
    events: list[dict[str, Any]] = []
    outages: tuple[Callable[[Loki], None], ...] = (refuses, fails, hangs)
    for outage in outages:
        outage(loki)
        events += [make_event(len(events) + number) for number in range(50)]
        api.put_events(events[-50:])
        wait_until(
            lambda: value(kigeon, "kigeon_sender_blocked_destinations", sender="loki") == 1, what=outage.__name__
        )
        # As often as a kubelet asks in ten minutes.
        for _ in range(60):
            assert live.ask(), live.last
            assert ready.ask(), ready.last
    assert (live.tripped, ready.tripped) == (0, 0)
    loki.always = lambda tenant: 0
    loki.answering.set()
    loki.wait_for(len(events))
    assert_once(loki.lines, events)


def test_a_kigeon_that_does_not_answer_is_restarted(kigeon: Kigeon) -> None:
    """So these probes can fail."""
    live, _ = probes(kigeon, hurry=50.0)
    serving = kigeon.process("kigeon.http.process")
    freeze(serving)
    try:
        for _ in range(live.threshold):
            assert not live.ask()
        assert live.tripped == 1
    finally:
        os.kill(serving, signal.SIGCONT)
    wait_until(live.ask, what="an answer")
