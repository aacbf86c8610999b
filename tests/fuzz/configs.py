"""Configurations and what hooks make of them, damaged: every one is valid, or everything wrong with it is told."""

from __future__ import annotations

import pickle
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import yaml

from kigeon.config.load import load_settings
from kigeon.config.settings import HookSettings, SenderSettings, Settings
from kigeon.errors import ConfigurationError, HookResultInvalid
from kigeon.hooks.cache import ConfigCache
from kigeon.senders.assembly import HookTransform
from kigeon.senders.loki.entry import LokiEntry
from kigeon.senders.loki.settings import LokiSettings
from kigeon.senders.loki.sink import LokiSink
from kigeon.senders.registry import TYPES, config_types
from kigeon.senders.steps import Final, Preparer
from tests.fuzz.account import Account
from tests.fuzz.lines import LineMaker
from tests.fuzz.mutate import Mutator

CONFIG: dict[str, Any] = {
    "url": "http://loki:3100",
    "tenantID": "shop",
    "streamLabels": {"cluster": "here", "zone": "a"},
    "basicAuth": {"username": "kigeon", "password": "p"},
    "tlsConfig": {"insecureSkipVerify": True},
    "eventLabels": ["namespace", "reason"],
    "structuredMetadata": {"uid": "event_uid", "level": "level"},
}
FILE: dict[str, Any] = {
    "global": {"dataDir": "/data", "logLevel": "info", "logFormat": "json"},
    "queue": {"eventsMaxAge": "24h", "eventsMaxBytes": "500Mi", "kubernetesEventsMaxLifetime": "1h30m"},
    "pusher": {"pushTimeout": "5s", "batchWait": "200ms"},
    "eventsenders": [
        {
            "name": "one",
            "type": "loki",
            "filter": {
                "namespaceSelector": {"matchLabels": {"team": "web"}},
                "includeNonNamespaced": True,
                "hardRefreshInterval": "10m",
            },
            "config": {**CONFIG, "hook": {"script": "hook.star", "timeout": "100ms", "onError": "skip"}},
        },
        {"name": "two", "type": "stdout", "config": {}},
    ],
}
_YAML = (
    *(b"*a", b"&a [*a]", b"!!binary aGk=", b"!!timestamp x", b"!!int x", b"!!python/name:os.system", b"!x y", b"? a"),
    *(b"2026-02-30", b"0o7", b"1:1:1.5", b"%s1.5" % (b"1:" * 300), b"<<: *a", b"<<: {a: b}", b"|\n x", b"'", b'"\\x"'),
    *(b"- - -", b"{", b"}", b"[", b"---", b"...", b"%YAML 9.9", b"\t", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"~"),
)
SCRIPT = """
def transform(config, event):
    return json.decode(event["message"])
"""


def files(seed: int, count: int) -> Account:
    """Load *count* damaged files."""
    random = Random(seed)
    mutator = Mutator(random)
    account = Account({"damaged files": count, "refused": 0})
    written = yaml.safe_dump(FILE).encode()
    with TemporaryDirectory(prefix="fuzz-") as folder:
        path = Path(folder) / "kigeon.yaml"
        (path.parent / "hook.star").write_text(SCRIPT)
        for _ in range(count):
            path.write_bytes(_file(mutator, written))
            try:
                _check_settings(load_settings(path, config_types(), {}))
            except ConfigurationError as error:
                account.figures["refused"] += 1
                _check_problems(account, error, path)
            except Exception as error:  # noqa: BLE001 - that it raises nothing else is what is looked at
                account.wrong.append(f"{error!r}: {path.read_bytes()[:3000]!r}"[:3500])
    return account


def _file(mutator: Mutator, written: bytes) -> bytes:
    chance = mutator.random.random()
    if chance < 0.5:
        return mutator.json(FILE)
    if chance < 0.8:
        return mutator.damaged(written)
    lines = written.split(b"\n")
    place = mutator.random.randrange(len(lines))
    key, colon, _ = lines[place].partition(b":")
    lines[place] = key + colon + b" " + mutator.random.choice(_YAML)
    return b"\n".join(lines)


def _check_settings(settings: Settings) -> None:
    assert pickle.loads(pickle.dumps(settings)) == settings
    for sender in settings.senders:
        orjson.dumps(dict(sender.config))
        if sender.settings is not None:
            LokiSink(sender.settings).entry({}, None)


def _check_problems(account: Account, error: ConfigurationError, path: Path) -> None:
    """Each problem has a message and a place: a line of the file, unless the file is no text at all."""
    told = [problem for problem in error.problems if not problem.message or not (problem.line or not problem.path)]
    if not error.problems or told:
        account.wrong.append(f"{error!r} has no place: {path.read_bytes()[:2000]!r}")


def results(seed: int, count: int) -> Account:
    """Have *count* damaged configs validated as if a hook had returned them."""
    random = Random(seed)
    mutator = Mutator(random)
    configs = {name: ConfigCache(TYPES[name].config) for name in ("loki", "stdout")}
    account = Account({"damaged configs": count, "refused": 0})
    for _ in range(count):
        name = "stdout" if random.random() < 0.05 else "loki"
        config = mutator.json(CONFIG) if random.random() < 0.9 else mutator.damaged(orjson.dumps(CONFIG))
        try:
            found = configs[name].settings_of(config)
            assert (found is None) == (name == "stdout")
            LokiSink(found or LokiSettings("http://loki")).entry({}, found)
        except HookResultInvalid:
            account.figures["refused"] += 1
        except Exception as error:  # noqa: BLE001
            account.wrong.append(f"{error!r}: {config[:3000]!r}"[:3500])
    return account


def hooks(seed: int, count: int) -> Account:
    """Have a script return damaged configs for damaged events: each event has one end or one entry."""
    account = Account({"hook calls": 0, "pushed": 0, "skipped": 0})
    random = Random(seed)
    with TemporaryDirectory(prefix="fuzz-") as folder:
        script = Path(folder) / "hook.star"
        script.write_text(SCRIPT)
        for on_error in ("use-default", "skip", "fail"):
            hook = HookSettings(script, 1.0, on_error)
            loki = LokiSettings("http://loki")
            transform = HookTransform(SenderSettings("a", "loki", None, hook, loki, {"url": "http://loki"}), hook, None)
            try:
                for _ in range(max(count // 300, 1)):
                    _transform(account, Preparer(LokiSink(loki), None, transform), random, 100)
            finally:
                transform._pool.close()
    return account


def _transform(account: Account, preparer: Preparer, random: Random, events: int) -> None:
    mutator, maker = Mutator(random), LineMaker(random)
    raw = []
    for _ in range(events):
        message = mutator.json(CONFIG).decode("utf-8", "replace")
        event = maker.event() if random.random() < 0.9 else {"metadata": {}}
        fields = {**event, "message": message} if random.random() < 0.9 else event
        raw.append(mutator.json(fields, 1) if random.random() < 0.2 else orjson.dumps(fields))
    try:
        steps = preparer.prepare(raw)
    except Exception as error:  # noqa: BLE001
        account.wrong.append(f"{error!r}"[:2000])
        return
    account.figures["hook calls"] += len(raw)
    account.figures["pushed"] += sum(isinstance(step, LokiEntry) for step in steps)
    account.figures["skipped"] += sum(isinstance(step, Final) for step in steps)
    if len(steps) != len(raw):
        account.wrong.append(f"{len(raw)} events have {len(steps)} results")
