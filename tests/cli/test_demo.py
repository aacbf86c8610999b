import logging
from pathlib import Path

import pytest

from kigeon.cli import demo
from kigeon.errors import StartError


def test_its_records_say_that_they_are_the_roots(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(kubeconfig: Path, events: int, rate: float) -> None:
        logging.getLogger("kigeon.cli.demo").warning("it is away")
        raise StartError("no way")

    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", root.handlers[:])
    monkeypatch.setattr(root, "level", root.level)
    monkeypatch.setattr(demo, "_start_api_server", fail)
    with pytest.raises(StartError):
        demo.run_demo(1, 0)
    assert capsys.readouterr().err.endswith("kigeon.cli.demo: it is away actor=root\n")
