"""Watches as they are opened and cut."""

from collections.abc import Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Any

from kigeon.kube.access import ClusterAccess
from kigeon.kube.informer import Informer
from kigeon.kube.lines import WatchEvent
from kigeon.kube.source import ClusterSource
from kigeon.kube.watch import Resource
from kigeon.standin.apiserver import ApiServer
from tests.support.processes import wait_until


class HangsUp:
    """A handler whose API server answers nothing more once it was listed."""

    def __init__(self, api: ApiServer) -> None:
        self._api = api
        self.lists = 0
        self.listed = Event()

    def on_list_page(self, items: Sequence[tuple[dict[str, Any], bytes]], resource_version: str) -> None:
        self.lists += 1
        if not self.listed.is_set():
            self._api.hang()
            self.listed.set()

    def on_events(self, lines: Sequence[WatchEvent]) -> None:
        """Not looked at."""

    def on_early_events(self, lines: Sequence[WatchEvent]) -> None:
        """Not looked at."""

    def on_relist(self, reason: str, resume_from: str) -> None:
        """Not looked at."""

    def on_unreadable(self, count: int) -> None:
        """Not looked at."""

    def on_backoff(self, seconds: float) -> None:
        """Not looked at."""


def test_a_list_that_is_asked_for_while_a_watch_is_being_opened_does_not_wait_for_its_end(tmp_path: Path) -> None:
    with ApiServer() as api:
        handler = HangsUp(api)
        access = ClusterAccess(ClusterSource(api.write_kubeconfig(tmp_path / "config")))
        informer = Informer(access, Resource("/api/v1/events"), handler)
        thread = Thread(target=informer.run)
        thread.start()
        try:
            assert handler.listed.wait(10)
            api.wait_for_request(lambda request: "watch" in request.query)
            informer.list_again()
            api.resume()
            wait_until(lambda: handler.lists == 2, 10)
        finally:
            informer.stop()
            api.resume()
            thread.join(10)
            assert not thread.is_alive()
