"""Scripts that are loaded, or can not be."""

from pathlib import Path

import pytest

from kigeon.config.settings import HookSettings
from kigeon.errors import HookLoadError
from kigeon.hooks.results import Transformed
from kigeon.hooks.runner import HookRunner, check_script
from tests.hooks.scripts import of, once, running, write

FINE = of("return config")


def load_error(script: Path) -> str:
    with pytest.raises(HookLoadError) as caught:
        check_script(HookSettings(script=script))
    message = str(caught.value)
    assert message.startswith(f"{script}: ")
    return message.removeprefix(f"{script}: ")


@pytest.mark.parametrize(
    ("source", "place", "said"),
    [
        ("def transform(config, event)\n    return config\n", "line 1, column 29", "Parse error"),
        (of("return config)"), "line 2, column 18", "Parse error"),
        ("def transform(config, event):\n\treturn config\n", "line 1, column 30", "tabs are not allowed"),
        ("x = 1\n" + of("return nowhere"), "line 3, column 12", "`nowhere` not found"),
        ("load('other.star', 'f')\n" + FINE, "line 1, column 1", "`load` is not allowed"),
        (FINE + "1 // 0\n", "line 3, column 1", "division by zero"),
        ("def f():\n    fail('because')\n\nf()\n" + FINE, "line 2, column 5", "fail: because"),
    ],
)
def test_the_line_and_the_column(tmp_path: Path, source: str, place: str, said: str) -> None:
    message = load_error(write(tmp_path, source))
    assert message.startswith(place)
    assert said in message
    assert "Traceback" not in message


def test_a_name_with_blanks_does_not_hide_the_place(tmp_path: Path) -> None:
    script = tmp_path / "my hook, v2.star"
    script.write_text(of("return nowhere"))
    assert load_error(script).startswith("line 2, column 12: ")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "it defines no transform(config, event)"),
        ("x = 1\n", "it defines no transform(config, event)"),
        ("def Transform(config, event):\n    return config\n", "it defines no transform(config, event)"),
        ("transform = 3\n", "transform is no function; define transform(config, event)"),
        ("transform = {}\n", "transform is no function; define transform(config, event)"),
    ],
)
def test_without_a_transform(tmp_path: Path, source: str, message: str) -> None:
    assert load_error(write(tmp_path, source)) == message


@pytest.mark.parametrize(
    ("signature", "fits"),
    [
        ("config, event", True),
        ("config, event, more=None", True),
        ("*args", True),
        ("*args, **kwargs", True),
        ("config, **kwargs", False),
        ("config", False),
        ("", False),
        ("config, event, more", False),
    ],
)
def test_transform_takes_a_config_and_an_event(tmp_path: Path, signature: str, fits: bool) -> None:
    script = write(tmp_path, f"def transform({signature}):\n    return None\n")
    if fits:
        check_script(HookSettings(script=script))
    else:
        assert load_error(script).startswith("transform must take (config, event): ")


def test_a_file_that_can_not_be_read(tmp_path: Path) -> None:
    assert "No such file" in load_error(tmp_path / "missing.star")
    assert "it can't be read" in load_error(tmp_path)
    script = write(tmp_path, "")
    script.write_bytes(b"# caf\xe9\n" + FINE.encode())
    assert "utf-8" in load_error(script)


def test_a_file_as_some_editors_write_it(tmp_path: Path) -> None:
    """With a byte order mark, and carriage returns."""
    script = write(tmp_path, "")
    script.write_bytes(b"\xef\xbb\xbf" + FINE.replace("\n", "\r\n").encode())
    check_script(HookSettings(script=script))


@pytest.mark.parametrize(
    "source",
    [
        "def f(): return len(list(range(20000000)))\n" + FINE,
        "x = [0] * 1000000000\n" + FINE,
        "x = " + "[" * 5000 + "]" * 5000 + "\n" + FINE,
    ],
    ids=["folded", "memory", "nested"],
)
def test_loading_that_kills_the_worker(tmp_path: Path, source: str) -> None:
    assert load_error(write(tmp_path, source)).startswith("loading it crashed its worker: ")


def test_loading_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kigeon.hooks.runner.LOAD_SECONDS", 0.3)
    endless = "def f():\n    x = 3\n    for _ in range(64):\n        x = x * x\n\nf()\n"
    assert load_error(write(tmp_path, endless + FINE)) == "it did not load within 0.3 s"


@pytest.mark.parametrize("name", ["json", "type", "fail", "event", "config", "kigeon_call", "print"])
def test_a_script_may_use_any_name(tmp_path: Path, name: str) -> None:
    assert once(tmp_path, f"{name} = 3\n" + FINE, {}) == Transformed()


def test_loading_again_reads_the_script_again(tmp_path: Path) -> None:
    with running(tmp_path, of("return None")) as runner:
        write(tmp_path, FINE)
        runner.close()
        runner.start()
        assert runner.transform([{}]) == [Transformed()]


def test_a_runner_that_is_closed_may_be_closed_again(tmp_path: Path) -> None:
    runner = HookRunner(HookSettings(script=write(tmp_path, FINE)), {})
    runner.close()
    runner.start()
    runner.close()
    runner.close()
    assert runner.pid == 0
