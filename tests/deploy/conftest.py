from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.base import base_image
from tests.deploy.engine import IMAGE, ROOT, CanNotRun, Engine, able_to_run, find_engine
from tests.deploy.pod import Pod, Volume


@pytest.fixture(scope="session")
def engine() -> Engine:
    """An engine that holds the image, built now; without one the run ends, and says what is missing."""
    try:
        found = find_engine()
        base = base_image(found)
        able = able_to_run(found, base)
        build = ("build", "--network", "host", "--build-arg", f"PYTHON_IMAGE={base}")
        able.ask(*build, "-f", "deploy/Dockerfile", "-t", IMAGE, ROOT, timeout=1800)
    except CanNotRun as error:
        pytest.exit(str(error), returncode=1)
    return able


@pytest.fixture
def volume(engine: Engine) -> Iterator[Volume]:
    """A volume as it is claimed: it belongs to root, and to the Pod's fsGroup."""
    with Volume(engine, IMAGE) as made:
        yield made


@pytest.fixture
def pod(engine: Engine, volume: Volume, tmp_path: Path) -> Iterator[Pod]:
    """The Pod of the StatefulSet, not started yet."""
    with Pod(engine, IMAGE, volume, tmp_path) as made:
        yield made
