"""What is asked for safety's or comfort's sake holds up nothing, whatever is answered to it, for however long."""

from functools import partial
from pathlib import Path
from threading import Thread

import pytest

from kigeon.kube import informer as informer_module
from kigeon.kube.access import ClusterAccess
from kigeon.kube.collector import EventCollector
from kigeon.kube.informer import Informer
from kigeon.kube.outbox import Outbox
from kigeon.kube.reflector import Reflector
from kigeon.kube.source import ClusterSource
from kigeon.kube.watch import Resource
from kigeon.standin.apiserver import ApiServer
from kigeon.standin.faults import Misbehaviour
from tests.support.events import make_event
from tests.support.paths import ANSWERS
from tests.support.processes import wait_until


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_watch_goes_on_whatever_the_check_of_its_version_is_answered(
    api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Misbehaviour
) -> None:
    monkeypatch.setattr(informer_module, "PROBE_TIMEOUT", 0.1)
    monkeypatch.setattr(informer_module, "Reflector", partial(Reflector, jitter=lambda low, high: 0.001))
    api.faults.always("/api/v1/namespaces/.*/events", answer)
    outbox = Outbox()
    outbox.connect(1)
    collector = EventCollector(outbox)
    informer = Informer(
        ClusterAccess(ClusterSource(api.write_kubeconfig(tmp_path / "config"))), Resource("/api/v1/events"), collector
    )
    thread = Thread(target=informer.run)
    thread.start()
    try:
        api.wait_for_watches()
        for number in range(1, 4):
            api.put_events([make_event(number)])
            # After a list for a doubt, what came since the version before it is told again: it is known downstream.
            wait_until(lambda number=number: collector.received >= number and informer.is_watching)
            api.faults.end_watches("drop" if number % 2 else "close")
            wait_until(lambda number=number: informer.report()["relists"] == number)
    finally:
        informer.stop()
        thread.join(10)
    assert any("fieldSelector" in request.query for request in api.requests)
