"""What the root knows, as it changes and as it travels."""

from kigeon.config.settings import SenderSettings, Settings
from kigeon.observability.snapshot import (
    Part,
    Snapshot,
    initial,
    moved,
    read_snapshot,
    with_children,
    write_snapshot,
)
from kigeon.senders.loki.settings import BasicAuth, LokiSettings
from tests.observability.snapshots import NOW, SENDS, WELL


def test_a_snapshot_survives_the_way() -> None:
    assert read_snapshot(write_snapshot(WELL)) == WELL
    assert write_snapshot(WELL).count(b"\n") == 1


def test_a_configuration_is_told_from_another_and_its_secrets_are_not_part_of_it() -> None:
    def hash_of(url: str, password: str) -> int:
        loki = LokiSettings(url, basic_auth=BasicAuth("kigeon", password))
        sender = SenderSettings("loki", "loki", settings=loki, config={"basicAuth": {"password": password}})
        return initial(Settings((sender,)), "1.2.3", 0.0).config_hash

    assert hash_of("http://a", "hunter2") == hash_of("http://a", "hunter3") != hash_of("http://b", "hunter2")


def test_a_part_is_ready_since_it_became_so() -> None:
    part = moved(Part(), True, 10.0)
    assert moved(part, True, 20.0).since == 10.0
    gone = moved(part, False, 30.0)
    assert (gone.since, gone.was_ready) == (30.0, True)


def test_a_problem_of_the_server_ends_when_the_queue_stores_again() -> None:
    full = Snapshot(nats_server=Part(ready=True, problem="No space left on device"))
    failing = with_children(full, {"queue": {"open": True, "storingSince": 5.0}}, 10.0)
    assert failing.nats_server.problem
    assert not with_children(failing, {"queue": {"open": True, "storingSince": 0.0}}, 11.0).nats_server.problem


def test_an_actor_that_runs_at_another_replica_is_forgotten() -> None:
    told = {"membership": {"ready": True, "pid": 7, "holds": [], "holders": {}}}
    found = with_children(SENDS, told, NOW.steady)
    assert list(found.children) == ["membership"]
    assert list(with_children(WELL, {}, NOW.steady).children) == list(WELL.children)
