from typing import Any

import pytest

from kigeon.http.live import LivePage
from kigeon.http.site import Site
from kigeon.observability.snapshot import write_snapshot
from tests.http.serving import Clock
from tests.observability.snapshots import WELL


@pytest.fixture
def told() -> dict[str, Any]:
    site = Site(Clock())
    site.tell(write_snapshot(WELL))
    return site._told()


@pytest.fixture
def shown(told: dict[str, Any]) -> LivePage:
    found = LivePage(1000)
    found.take(WELL.latest)
    found.show(told)
    return found
