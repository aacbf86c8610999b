"""What transform is given, what its answers become, and what a bad call costs: the event at hand alone."""

import functools
import logging
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kigeon.errors import HookCrashed, HookError, HookRaised, HookResultInvalid, HookTimeout, HookUnavailable
from kigeon.hooks import results as results_module
from kigeon.hooks import runner as runner_module
from kigeon.hooks.results import Failed, Result, Skipped, Transformed
from kigeon.hooks.runner import HookRunner
from tests.hooks.scripts import CONFIG, no_worker_starts, of, once, running
from tests.support.events import make_event
from tests.support.processes import freeze, is_running, wait_until

HOSTILE = {
    "fails": ("fail('because')", HookRaised),
    "divides": ("return 1 // 0", HookRaised),
    "recurses": ("return transform(config, event)", HookRaised),
    "unserializable": ("return {'f': len}", HookRaised),
    "list": ("return [config]", HookResultInvalid),
    "number": ("return 7", HookResultInvalid),
    "false": ("return False", HookResultInvalid),
    "large": ("return {'x': 'x' * (1000000 * one)}", HookResultInvalid),
    "loop": ("for i in range(1000000000):\n            pass", HookTimeout),
    "prints": ("for i in range(1000000000):\n            print(i)", HookTimeout),
    "square": ("x = 3\n        for i in range(64):\n            x = x * x", HookTimeout),
    "digits": ("x = int('9' * (10000000 * one))", HookTimeout),
    "memory": ("x = [0] * (1000000000 * one)", HookCrashed),
    "nested": ("x = []\n        for i in range(20000):\n            x = [x]\n        return {'x': x}", HookCrashed),
    "huge": ("return {'x': 'x' * (100000000 * one)}", HookError),
}
"""What a script does for an event with this reason, and which error that is (for "huge", whichever comes first)."""

SCRIPT = of(
    "reason = event['reason']",
    "one = len(reason[:1])",  # constants are folded when the script is loaded, which is not what is tested here
    *(f"if reason == '{reason}':\n        {does}" for reason, (does, _) in HOSTILE.items()),
    "if reason == 'skip':",
    "    return None",
    "if reason == 'other':",
    "    config['tenantID'] = event['metadata']['name']",
    "return config",
)


def answer(result: Result) -> Any:
    """Return what *result* says, so that it can be compared."""
    if isinstance(result, Transformed):
        return "same" if result.config is None else orjson.loads(result.config)
    return None if isinstance(result, Skipped) else type(result.error)


def error_of(result: Result) -> HookError:
    assert isinstance(result, Failed)
    return result.error


def expected(event: dict[str, Any]) -> Any:
    reason = event["reason"]
    if reason in HOSTILE:
        return HOSTILE[reason][1]
    return {"skip": None, "other": CONFIG | {"tenantID": event["metadata"]["name"]}, "same": "same"}[reason]


def events_of(reasons: list[str]) -> list[dict[str, Any]]:
    return [make_event(number, reason=reason) for number, reason in enumerate(reasons)]


def test_the_config_unchanged_changed_or_none(tmp_path: Path) -> None:
    events = events_of(["same", "other", "skip", "other", "same"])
    with running(tmp_path, SCRIPT) as runner:
        assert list(map(answer, runner.transform(events))) == list(map(expected, events))
        assert runner.transform([]) == []
        assert runner.counts.respawns == 0


@pytest.mark.parametrize(
    "lines",
    [
        ["return dict(config)"],
        ["config['tenantID'] = 'x'", "config['tenantID'] = 'base'", "return config"],
    ],
)
def test_a_config_that_is_equal_is_the_same(tmp_path: Path, lines: list[str]) -> None:
    assert once(tmp_path, of(*lines), make_event(1)) == Transformed()


def test_nothing_is_looked_for_in_an_answer_that_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To look for secrets takes as long as all the rest."""
    with running(tmp_path, SCRIPT) as runner:
        monkeypatch.setattr(results_module, "shorten", None)
        monkeypatch.setattr(runner_module, "hide", None)
        results = runner.transform([make_event(1), make_event(2, reason="other"), make_event(3, reason="skip")])
    assert [type(result) for result in results] == [Transformed, Transformed, Skipped]


@pytest.mark.parametrize("reason", HOSTILE)
def test_a_bad_call_costs_the_event_at_hand_alone(tmp_path: Path, reason: str) -> None:
    events = events_of(["other", "same", reason, "same", "skip", "other"])
    with running(tmp_path, SCRIPT) as runner:
        results = runner.transform(events)
        assert isinstance(error_of(results[2]), HOSTILE[reason][1])
        assert [answer(result) for result in results[:2] + results[3:]] == [
            expected(event) for event in events[:2] + events[3:]
        ]
        lost = HOSTILE[reason][1] is HookCrashed or reason in ("square", "digits")
        assert runner.counts.respawns == 1 or not lost


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["same", "other", "skip", "fails", "list", "large", "memory", "nested"]), max_size=12))
def test_any_mixture_gives_each_event_its_own_result(tmp_path: Path, reasons: list[str]) -> None:
    events = events_of(reasons)
    with running(tmp_path, SCRIPT) as runner:
        assert list(map(answer, runner.transform(events))) == list(map(expected, events))


def test_deaths_in_a_row_take_no_innocent_event_along(tmp_path: Path) -> None:
    events = events_of(["same", *["memory"] * 6, *["other"] * 20, "memory", *["same"] * 300])
    with running(tmp_path, SCRIPT) as runner:
        assert list(map(answer, runner.transform(events))) == list(map(expected, events))
        assert runner.counts.respawns == 7


class OnRecord(logging.Handler):
    """Does something at each record."""

    def __init__(self, do: Any) -> None:
        super().__init__(logging.DEBUG)
        self._do = do

    def emit(self, record: logging.LogRecord) -> None:
        self._do()


def test_a_worker_that_is_killed_in_mid_batch(tmp_path: Path) -> None:
    script = of(
        "if event['reason'] == 'wait':",
        "    print('now')",
        "    for i in range(1000000000):",
        "        pass",
        "return config",
    )
    events = [make_event(number, reason="wait" if number == 137 else "same") for number in range(400)]
    logger = logging.getLogger("kigeon.hooks.runner")
    with running(tmp_path, script, timeout=20.0) as runner:
        handler = OnRecord(lambda: os.kill(runner.pid, signal.SIGKILL))
        before = logger.level
        logger.setLevel(logging.DEBUG)
        logger.addHandler(handler)
        try:
            results = runner.transform(events)
        finally:
            logger.removeHandler(handler)
            logger.setLevel(before)
        assert [number for number, result in enumerate(results) if result != Transformed()] == [137]
        assert isinstance(error_of(results[137]), HookCrashed)
        assert "signal 9" in str(error_of(results[137]))
        assert runner.counts.respawns == 1


def test_a_worker_that_died_between_two_batches_is_replaced(tmp_path: Path) -> None:
    with running(tmp_path, SCRIPT) as runner:
        os.kill(runner.pid, signal.SIGKILL)
        wait_until(lambda: not is_running(runner.pid), what="the worker's end")
        assert runner.transform(events_of(["same", "same"])) == [Transformed()] * 2
        assert runner.counts.respawns == 1


@pytest.mark.parametrize(
    "value", [2**64, -(2**63) - 1, functools.reduce(lambda deep, _: [deep], range(300), cast("Any", 1))]
)
def test_what_can_not_be_shown_to_a_hook_costs_its_event_alone(tmp_path: Path, value: Any) -> None:
    events = events_of(["same", "same", "skip"])
    events[1]["value"] = value
    with running(tmp_path, SCRIPT) as runner:
        first, second, third = runner.transform(events)
    assert (first, third) == (Transformed(), Skipped())
    assert isinstance(error_of(second), HookRaised)
    assert "can't be shown to the hook" in str(error_of(second))


def test_without_a_worker_events_fail_at_once_until_there_is_one(tmp_path: Path) -> None:
    events = events_of(["same"] * 50)
    with running(tmp_path, SCRIPT) as runner:
        with no_worker_starts(tmp_path):
            os.kill(runner.pid, signal.SIGKILL)
            first, *others = map(answer, runner.transform(events))
            assert first in (HookCrashed, HookUnavailable), "it may have been at hand when the worker died"
            assert set(others) == {HookUnavailable}
            assert runner.pid == 0
            assert runner.counts.respawns < 10
        wait_until(lambda: runner.transform(events[:1]) == [Transformed()], what="the worker's return")


def test_what_one_call_does_to_its_config_and_event_is_unknown_to_the_next(tmp_path: Path) -> None:
    script = of(
        "labels = config['streamLabels']",
        "seen = len(labels)",
        "labels[event['metadata']['name']] = 'x'",
        "event['metadata'].clear()",
        "config['tenantID'] = str(seen)",
        "return config",
    )
    with running(tmp_path, script) as runner:
        event = make_event(1)
        results = [*runner.transform([event] * 3), *runner.transform([event])]
        assert {answer(result)["tenantID"] for result in results} == {"1"}
        assert event["metadata"]["name"]


def test_a_global_can_not_be_used_to_remember(tmp_path: Path) -> None:
    result = once(tmp_path, "SEEN = []\n" + of("SEEN.append(1)", "return config"), {})
    assert "line 3" in str(error_of(result))


def test_errors_say_what_and_where_and_not_the_way_there(tmp_path: Path) -> None:
    helper = "def helper(n):\n    if n == 0:\n        fail('no such team')\n    helper(n - 1)\n\n"
    deep = once(tmp_path, helper + of("helper(40)", "return config"), {})
    assert str(error_of(deep)) == "line 3, column 9: fail: no such team"
    kind = once(tmp_path, of("return [config]"), {})
    assert str(error_of(kind)) == "transform must return the config (a dict) or None; it returned: list"


def seen(tmp_path: Path, event: dict[str, Any]) -> Any:
    """Return the event as transform sees it."""
    return answer(once(tmp_path, of("return {'seen': event}"), event))["seen"]


def test_the_event_is_shown_as_kubectl_does(tmp_path: Path) -> None:
    event = make_event(1, reason="Pulled", related=None, count=7)
    shown = seen(tmp_path, event)
    metadata = {key: value for key, value in event["metadata"].items() if key != "managedFields"}
    assert shown == {"apiVersion": "v1", "kind": "Event"} | event | {"metadata": metadata}
    assert "managedFields" in event["metadata"]


def test_the_pod_in_an_event_is_shown(tmp_path: Path) -> None:
    pod = {"metadata": {"labels": {"team": "a"}}}
    assert seen(tmp_path, make_event(1) | {"pod": pod})["pod"] == pod


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        2**63 - 1,
        -(2**63),
        2**64 - 1,
        1.5,
        1e300,
        -0.25,
        "",
        "pâté 🐳",
        '\u2028\0"\\',
        [],
        {},
        [[1], {"": None}],
    ],
)
def test_values_arrive_as_they_are(tmp_path: Path, value: Any) -> None:
    found = seen(tmp_path, {"value": value})["value"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "line",
    [
        "ok = event['metadata']['name'] == 'web-1.17a'",
        "ok = event.get('nothing') == None and event.get('reason', '') == 'Pulled'",
        "ok = 'reason' in event and 'nothing' not in event",
        "ok = event['count'] + 1 == 8 and type(event['count']) == 'int'",
        "ok = type(event) == 'dict' and type(event['metadata']) == 'dict'",
        "kind = event['kind']\n    ok = f'{kind}s' == 'Events' and event['apiVersion'] == 'v1'",
        "ok = config['url'].startswith('http://') and config['streamLabels']['cluster'] == 'test'",
    ],
)
def test_a_script_reads_events_as_dicts(tmp_path: Path, line: str) -> None:
    assert (
        once(tmp_path, of(line, "return None if ok else config"), make_event(1, reason="Pulled", count=7)) == Skipped()
    )


def test_a_key_that_is_missing_is_an_error_that_names_it(tmp_path: Path) -> None:
    result = once(tmp_path, of("return event['pod']"), make_event(1))
    assert "pod" in str(error_of(result))
    assert "line 2" in str(error_of(result))


def test_print_goes_to_the_log_at_debug_with_the_uid(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "kigeon.hooks")
    script = of("print('saw', event['metadata']['name'], 7, None, '🐳')", "print()", "return config")
    events = [make_event(number) for number in range(3)]
    with running(tmp_path, script) as runner:
        assert runner.transform(events) == [Transformed()] * 3
    records = [record for record in caplog.records if record.name == "kigeon.hooks.runner"]
    assert [(record.uid, record.text) for record in records] == [  # type: ignore[attr-defined]
        (event["metadata"]["uid"], text)
        for event in events
        for text in (f"saw {event['metadata']['name']} 7 None 🐳", "")
    ]
    assert {record.levelno for record in records} == {logging.DEBUG}


def test_a_flood_of_prints_is_cut(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "kigeon.hooks")
    script = of("print('x' * 1000000)", "for i in range(5000):", "    print(i)", "return config")
    with running(tmp_path, script, timeout=5.0) as runner:
        assert runner.transform([{}, {}]) == [Transformed()] * 2
    texts = [record.text for record in caplog.records]  # type: ignore[attr-defined]
    assert 2 < len(texts) <= 200
    assert max(map(len, texts)) <= 2000


def stopped_for(runner: HookRunner, seconds: float) -> threading.Timer:
    """Stop the worker now, and let it go on after *seconds*."""
    freeze(runner.pid)
    timer = threading.Timer(seconds, os.kill, (runner.pid, signal.SIGCONT))
    timer.start()
    return timer


def test_time_in_which_the_worker_got_no_processor_does_not_count(tmp_path: Path) -> None:
    with running(tmp_path, SCRIPT, timeout=0.1) as runner:
        began = time.monotonic()
        timer = stopped_for(runner, 0.5)
        try:
            results = runner.transform(events_of(["same", "other"]))
        finally:
            timer.join()
        assert time.monotonic() - began >= 0.5
        assert list(map(answer, results)) == ["same", CONFIG | {"tenantID": "web-1.17a"}]
        assert runner.counts.respawns == 0


def test_a_worker_that_never_gets_the_processor_is_replaced_in_the_end(tmp_path: Path) -> None:
    with running(tmp_path, SCRIPT, timeout=0.01) as runner:
        freeze(runner.pid)
        first, second = runner.transform(events_of(["same", "same"]))
        assert isinstance(error_of(first), HookTimeout)
        assert second == Transformed()


def test_a_batch_larger_than_any_pipe_goes_through(tmp_path: Path) -> None:
    script = of(
        "config['tenantID'] = event['message'][:10] + str(event['count'])",
        "config['pad'] = 'y' * 5000",
        "return config",
    )
    events = [make_event(number, count=number, message="x" * 5000) for number in range(300)]
    with running(tmp_path, script) as runner:
        results = runner.transform(events)
    assert [answer(result)["tenantID"] for result in results] == [f"xxxxxxxxxx{number}" for number in range(300)]
