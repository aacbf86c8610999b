import inspect
import pickle
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from actors import messages
from kigeon.config.settings import SenderSettings, Settings
from kigeon.events.checkpoint import CheckpointDelta, WatcherCheckpoint
from kigeon.events.envelope import Envelope
from kigeon.kube.source import ClusterSource
from kigeon.leases.records import Replica, Role
from kigeon.queue.log.protocol import LogEnd
from kigeon.senders.loki.settings import LokiSettings

SENDER = SenderSettings("loki", "loki", settings=LokiSettings("http://loki"), config={"url": "http://loki"})
SETTINGS = Settings((SENDER,))
QUEUE = messages.QueueAddress("nats://127.0.0.1:4222", "secret")
SPEC = messages.ChildSpec("sender/loki", "actors.sender.Sender", sender=SENDER)
ENVELOPE = Envelope(b"payload", bytes(8), "7")
MARK = WatcherCheckpoint("a", 1, 2, 3, 4.0, 5.0)

REPLICA = Replica("a", "kigeon-0", "", 3, ("pipeline", "sender.loki"), True)

EXAMPLES: list[Any] = [
    QUEUE,
    SPEC,
    messages.Supervise(SETTINGS, QUEUE, ClusterSource(Path("kubeconfig")), (SPEC,)),
    messages.Start(SPEC, SETTINGS, QUEUE),
    messages.Connect(1, "watcher", "deduplicator", "queue"),
    messages.Resync(1, "lost"),
    messages.BrokerFailing("full"),
    messages.Ping(1),
    messages.Pong(1, "queue", 42, {"stored": 3}),
    messages.Status(1, 42, {"queue": {"stored": 3}}, "", {"sender/loki": "def transform(config, event): pass"}),
    messages.Standing(1, REPLICA, 7.5, frozenset({"pipeline"}), {"sender.loki": 9}, {"pipeline": Role("a")}, 2),
    messages.Tenured(7.5),
    messages.RoleStopped("sender.loki", 9),
    messages.Failing("pipeline"),
    messages.Leave("a"),
    messages.Stop(10.0),
    messages.Stopped("queue", {}),
    messages.QueueOpened(1, LogEnd(7, 9, "8", MARK)),
    messages.Resume(1, "8", MARK),
    messages.Batch(1, 1, ENVELOPE, CheckpointDelta("a", 1, 2, 3.0, 4.0)),
    messages.Store(1, 1, 1, ENVELOPE, MARK),
    messages.Stored(1, 1, 8),
]


def test_there_is_an_example_of_every_message() -> None:
    defined = {found for name in messages.__all__ if is_dataclass(found := getattr(messages, name))}
    own = {
        name
        for name, found in inspect.getmembers(messages, is_dataclass)
        if inspect.isclass(found) and found.__module__ == messages.__name__
    }
    assert {type(example) for example in EXAMPLES} == defined
    assert own <= set(messages.__all__)


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_a_message_survives_the_way(message: Any) -> None:
    assert pickle.loads(pickle.dumps(message)) == message


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_a_message_is_frozen_and_slotted(message: Any) -> None:
    assert not hasattr(message, "__dict__")
    with pytest.raises(AttributeError):
        setattr(message, fields(message)[0].name, None)


def test_the_token_is_not_shown() -> None:
    assert "secret" not in repr(QUEUE)
