import pytest

from kigeon.config.settings import QueueSettings
from tests.support.settings import QUEUE_SETTINGS


@pytest.fixture
def settings() -> QueueSettings:
    """The settings of `server`."""
    return QUEUE_SETTINGS
