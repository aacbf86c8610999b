"""A script that changes on the disk: taken when it can be loaded, refused when it can't."""

import logging
import os
from pathlib import Path

import pytest

from kigeon.config.settings import HookSettings
from kigeon.errors import HookLoadError
from kigeon.hooks import watch as module
from kigeon.hooks.results import Skipped, Transformed
from kigeon.hooks.watch import ScriptWatch, WatchThread
from tests.hooks.scripts import of, running, write
from tests.support.processes import wait_until

FIRST, SECOND, BROKEN = of("return config"), of("return None"), "def transform(config, event)\n"

CANT, GONE = "the hook's new script can't be loaded", "the hook's script is gone"


def said(caplog: pytest.LogCaptureFixture, beginning: str) -> int:
    return sum(record.message.startswith(beginning) for record in caplog.records if record.levelno == logging.ERROR)


def looks(watch: ScriptWatch, count: int = 2) -> list[str]:
    return [found for _ in range(count) if (found := watch.look()) is not None]


def watching(script: Path, source: str = FIRST) -> ScriptWatch:
    return ScriptWatch(HookSettings(script), source)


def test_a_valid_text_is_taken_once_when_it_is_left_alone(tmp_path: Path) -> None:
    script = write(tmp_path, FIRST)
    watch = watching(script)
    assert looks(watch, 5) == []
    write(tmp_path, SECOND)
    assert watch.look() is None
    assert watch.look() == SECOND
    assert looks(watch, 5) == []


def test_one_that_is_still_being_written_is_not_looked_into(tmp_path: Path) -> None:
    """Half of a script may be a script, too."""
    script = write(tmp_path, FIRST)
    checked: list[str] = []
    watch = ScriptWatch(HookSettings(script), FIRST, lambda hook, source: checked.append(source))
    for length in range(1, len(SECOND)):
        script.write_text(SECOND[:length])
        assert watch.look() is None
    script.write_text(SECOND)
    assert looks(watch) == [SECOND]
    assert checked == [SECOND]


def test_what_can_not_be_loaded_is_said_once_and_the_last_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watch = watching(write(tmp_path, FIRST))
    write(tmp_path, BROKEN)
    assert looks(watch, 5) == []
    assert said(caplog, CANT) == 1
    assert "line 1, column 29" in vars(caplog.records[-1])["error"]
    write(tmp_path, SECOND)
    assert looks(watch, 5) == [SECOND]
    assert said(caplog, CANT) == 1


def test_one_that_comes_back_as_it_was_is_nothing_new(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    watch = watching(write(tmp_path, FIRST))
    write(tmp_path, BROKEN)
    looks(watch)
    write(tmp_path, FIRST)
    assert looks(watch, 5) == []


def test_the_first_look_finds_what_changed_before_it(tmp_path: Path) -> None:
    """As after the restart of a sender, which begins with the text that was in use."""
    assert looks(watching(write(tmp_path, SECOND))) == [SECOND]


def test_a_config_map_is_changed_by_swapping_a_link(tmp_path: Path) -> None:
    """The kubelet writes another directory, and lets a link lead to it; size and time may be the same."""
    for name, text in (("..1", FIRST), ("..2", SECOND)):
        (tmp_path / name).mkdir()
        os.utime(write(tmp_path / name, text.ljust(100)), (1e9, 1e9))
    data = tmp_path / "..data"
    data.symlink_to("..1")
    (tmp_path / "hook.star").symlink_to("..data/hook.star")
    watch = watching(tmp_path / "hook.star", FIRST.ljust(100))
    assert looks(watch) == []
    (tmp_path / "..new").symlink_to("..2")
    (tmp_path / "..new").rename(data)
    assert looks(watch) == [SECOND.ljust(100)]


def test_a_script_that_is_gone_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    script = write(tmp_path, FIRST)
    watch = watching(script)
    script.unlink()
    assert looks(watch, 5) == []
    assert said(caplog, GONE) == 1
    write(tmp_path, SECOND)
    assert looks(watch) == [SECOND]


def test_a_script_that_can_not_be_read_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    script = write(tmp_path, FIRST)
    watch = watching(script)
    script.write_bytes(b"\xff\xfe\xfa")
    assert looks(watch) == []
    assert said(caplog, CANT) == 1


def test_a_text_that_kills_its_worker_harms_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    watch = watching(write(tmp_path, FIRST))
    write(tmp_path, "x = [0] * 1000000000\n" + SECOND)
    assert looks(watch) == []
    assert said(caplog, CANT) == 1


def test_a_runner_goes_on_with_the_new_text(tmp_path: Path) -> None:
    with running(tmp_path, FIRST) as runner:
        assert runner.transform([{}]) == [Transformed()]
        before = runner.pid
        runner.replace(SECOND)
        assert runner.transform([{}, {}]) == [Skipped(), Skipped()]
        assert runner.source == SECOND
        assert runner.pid != before


def test_a_runner_that_is_given_a_text_does_not_read_the_file(tmp_path: Path) -> None:
    write(tmp_path, BROKEN)
    with running(tmp_path, FIRST) as runner:
        write(tmp_path, BROKEN)
        runner.close()
        runner.start(SECOND)
        assert runner.transform([{}]) == [Skipped()]
        with pytest.raises(HookLoadError):
            runner.start()


def test_the_thread_tells_of_each_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY", 0.01)
    script = write(tmp_path, FIRST)
    changed: list[str] = []
    thread = WatchThread(watching(script), changed.append)
    try:
        write(tmp_path, SECOND)
        wait_until(lambda: changed == [SECOND], what="a change")
    finally:
        thread.close()
