import pytest

from tests.support.loki import Loki


@pytest.fixture
def loki(loki: Loki) -> Loki:
    """Return one that takes events of any age."""
    loki.limits.max_age = loki.limits.max_behind = float("inf")
    return loki
