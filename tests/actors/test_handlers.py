"""Each handler of each actor is needed by a test that has the actor as an object."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.handler_mutation import handlers, kinds, name_of

ROOT = Path(__file__).parent.parent.parent


def test_no_handler_can_be_taken_out_unnoticed() -> None:
    modules = {kind.__module__.rpartition(".")[2] for kind in kinds()}
    files = [f"tests/actors/test_{module}.py" for module in sorted(modules)]
    command = [sys.executable, "-m", "tests.support.handler_mutation", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    missed = json.loads(done.stdout)
    assert missed.keys() == {name_of(handler) for handler in handlers()}
    assert len(missed) > 30
    assert [name for name, (_, is_missed) in missed.items() if not is_missed] == []
