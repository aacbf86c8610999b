import asyncio
from collections.abc import Iterator

import pytest

from tests.support.filled_queue import COUNT, Filled


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """A queue of :data:`COUNT` events that tests read and do not change; filling it takes longer than most tests."""
    queue = Filled(tmp_path_factory.mktemp("queue"), COUNT)
    with queue.server:
        queue.server.start()
        asyncio.run(queue.fill())
        yield queue
