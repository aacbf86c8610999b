"""What the actors are made of is imported before they are forked: they share it."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys
from actors.spec import children_of
from actors.imports import import_actors
from kigeon.config.settings import SenderSettings, Settings
from kigeon.senders.loki.settings import LokiSettings
loki = SenderSettings("loki", "loki", settings=LokiSettings("http://loki", encoding=sys.argv[1]))
import_actors(children_of(Settings((loki, SenderSettings("out", "stdout")))))
print("\\n".join(sys.modules))
"""


def imported(encoding: str) -> set[str]:
    command = [sys.executable, "-c", SCRIPT, encoding]
    return set(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split())


@pytest.mark.parametrize(("encoding", "has_protobuf"), [("protobuf", True), ("json", False)])
def test_all_that_the_actors_need_and_nothing_else(encoding: str, has_protobuf: bool) -> None:
    found = imported(encoding)
    actors = {"actors.watcher", "actors.deduplicator", "actors.queue", "actors.sender"}
    assert actors | {"kigeon.senders.loki.sink", "kigeon.senders.engine.engine"} <= found
    assert ({"cramjam", "google.protobuf"} <= found) is has_protobuf
    assert "aiohttp" not in found
