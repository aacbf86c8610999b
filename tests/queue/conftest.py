from collections.abc import Iterator
from pathlib import Path

import pytest

from kigeon.config.settings import QueueSettings
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.streams import file_store_bytes


@pytest.fixture
def settings() -> QueueSettings:
    return QueueSettings(events_max_bytes=4 * 2**20)


@pytest.fixture
def server(tmp_path: Path, settings: QueueSettings) -> Iterator[NatsServer]:
    with NatsServer(tmp_path / "data", file_store_bytes(settings)) as running:
        running.start()
        yield running
