from collections.abc import Iterator

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.standin.client import Client


@pytest.fixture
def client(api: ApiServer) -> Iterator[Client]:
    asking = Client(api)
    yield asking
    asking.close()
