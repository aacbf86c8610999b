"""What the root tells the process that serves."""

import os

import pytest

from actors.outside import Outside
from kigeon.config.settings import HttpSettings, SenderSettings, Settings
from kigeon.http.child import HttpChild


@pytest.mark.parametrize(
    ("ready", "pids", "expected"),
    [
        (True, [71], {"sender/loki/hook": 71}),
        (True, [71, 0, 73], {"sender/loki/hook": 71, "sender/loki/hook-3": 73}),
        (True, [0, 72], {"sender/loki/hook-2": 72}),
        (True, [], {}),
        (False, [71, 72], {}),
    ],
)
def test_each_worker_of_a_hook_is_a_process(ready: bool, pids: list[int], expected: dict[str, int]) -> None:
    settings = Settings((SenderSettings("loki", "loki"),), http=HttpSettings(""))
    outside = Outside(settings, HttpChild(settings))
    outside.children({"sender/loki": {"ready": ready, "pid": 70, "position": 1, "hookPids": pids}})
    assert outside._processes() == {"root": os.getpid(), "sender/loki": 70, **expected}
