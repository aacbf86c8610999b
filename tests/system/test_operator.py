"""What an operator asks of a running kigeon: accounts, dead letters, an audit."""

import asyncio
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from kigeon.queue.broker.address import QueueAddress
from kigeon.queue.broker.connection import connected
from kigeon.standin.apiserver import ApiServer
from tests.support.events import assert_once, make_event
from tests.support.kigeon import Kigeon, accounts, loki_sender
from tests.support.loki import Line, Loki
from tests.support.names import DEAD_LETTER, DEAD_LETTER_SUBJECT
from tests.support.processes import wait_until


def refuses(*names: str) -> "RefuseLine":
    return RefuseLine(names)


class RefuseLine:
    """Refuses the events of some names, until it is told to relent."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = set(names)

    def __call__(self, line: Line) -> bool:
        return line.fields["name"] in self.names


def parked(kigeon: Kigeon, count: int) -> list[str]:
    """Return the ids of dead letters once there are so many."""
    wait_until(lambda: accounts(kigeon).get("parked") == count, what="parked events")
    letters = kigeon.ask("dead-letter", "list")["deadLetters"]
    assert len(letters) == count
    return [letter["id"] for letter in letters]


def reported(kigeon: Kigeon, actor: str = "sender/loki", **counts: int) -> None:
    """Wait until an actor has said so of itself: that costs less than asking again and again."""
    wait_until(lambda: counts.items() <= accounts(kigeon, actor).items(), what=f"{counts} of {actor}")


def test_the_accounts_survive_restarts_and_are_exact(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    """Repeats, what could not be read, filtered and parked events, a crash: every number has its place."""
    api.put_namespace("shop", {"team": "a"})
    api.put_namespace("other", {"team": "b"})
    events = [make_event(number, namespace="shop" if number % 3 else "other") for number in range(300)]
    api.put_events(events[:200])
    loki.refuse = refuses("web-7.17a")
    shop = {"namespaceSelector": {"matchLabels": {"team": "a"}}}
    senders = [loki_sender(loki, filter=shop), loki_sender(loki, "all", tenantID="all")]
    with Kigeon(tmp_path, api, senders) as kigeon:
        api.wait_for_watches()
        reported(kigeon, "queue", received=200)
        for _ in range(3):
            api.faults.inject(b"no line of a watch")
        reported(kigeon, "queue", unreadable=3)
        reported(kigeon, "sender/all", sent=199, parked=1)
        kigeon.kill_tree()
        api.put_events(events[200:])
        api.store.expire_history()
        kigeon.start()
        reported(kigeon, "queue", received=500 + 3)
        reported(kigeon, "sender/all", sent=299, parked=1)
        wait_until(lambda: all(found["waiting"] == 0 for found in kigeon.ask("status")["senders"].values()))
        status = kigeon.ask("status")
        assert kigeon.stop() == 0
    assert {key: status["watcher"][key] for key in ("received", "stored", "repeated", "unreadable")} == {
        "received": 503,
        "stored": 300,
        "repeated": 200,
        "unreadable": 3,
    }
    done = {"skipped": 0, "evicted": 0, "waiting": 0, "resent": 0, "unaccounted": 0, "parked": 1, "stored": 300}
    assert status["senders"]["loki"] == {**done, "sent": 199, "filtered": 100}
    assert status["senders"]["all"] == {**done, "sent": 299, "filtered": 0}


def test_a_dead_letter_is_listed_shown_and_sent_again_once(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    long = {3: 2000, 5: 2000, 9: 9000}
    events = [make_event(number, message="x" * long.get(number, 20)) for number in range(20)]
    loki.limits.max_line = 1500
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        api.wait_for_watches()
        api.put_events(events)
        ids = parked(kigeon, 3)
        (shown,) = kigeon.ask("dead-letter", "show", ids[0])["deadLetters"]
        assert shown["event"]["metadata"]["name"] == "web-3.17a"
        assert "400" in shown["reason"]
        assert "max entry size '1500' bytes exceeded" in shown["reason"]
        loki.limits.max_line = 5000
        assert kigeon.ask("dead-letter", "replay", ids[0], ids[1]) == {"done": ids[:2], "problems": {}}
        loki.wait_for(19)
        assert parked(kigeon, 1) == ids[2:]
        assert kigeon.ask("dead-letter", "replay", "--all")["done"] == ids[2:]
        wait_until(lambda: kigeon.ask("dead-letter", "list")["deadLetters"], what="the event that was refused again")
        assert parked(kigeon, 1) == ids[2:]
        assert "not there" in kigeon.ask("dead-letter", "replay", ids[0], status=1)["problems"][ids[0]]
        assert kigeon.ask("dead-letter", "drop", ids[2]) == {"done": ids[2:], "problems": {}}
        assert kigeon.ask("dead-letter", "list") == {"deadLetters": []}
        status = kigeon.ask("status")["senders"]["loki"]
        assert (status["sent"], status["parked"], status["unaccounted"]) == (19, 1, 0)
        assert_it_says_what_became_of_them(kigeon)
        kigeon.kill_tree()
        kigeon.start()
        assert_it_says_what_became_of_them(kigeon)
        assert kigeon.stop() == 0
    assert_once(loki.lines, [event for event in events if event["metadata"]["name"] != "web-9.17a"])


def assert_it_says_what_became_of_them(kigeon: Kigeon) -> None:
    """What was dropped was not sent, though nothing of it is left; what was replayed was."""
    wait_until(lambda: kigeon.ask("status")["senders"]["loki"]["waiting"] == 0)
    found = kigeon.ask("audit")
    fates = {event["name"]: event["senders"]["loki"] for event in found["events"]}
    assert found["senders"] == {"loki": {"sent": 19, "dropped": 1}}
    assert fates["web-9.17a"]["outcome"] == "dropped"
    assert "an operator dropped it at 20" in fates["web-9.17a"]["reason"]
    assert "exceeded" in fates["web-9.17a"]["reason"]


def test_a_letter_that_is_destroyed_is_not_taken_for_sent(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    """Nor is anything about which nothing is left; a person is shown those alone."""
    api.put_events([make_event(number) for number in range(9)])
    loki.refuse = refuses("web-3.17a", "web-5.17a")
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        ids = parked(kigeon, 2)
        destroy(kigeon, DEAD_LETTER, ids[0])
        found = kigeon.ask("audit", status=1)
        assert (found["senders"], found["unaccounted"]) == ({"loki": {"sent": 7, "parked": 1, "unknown": 1}}, 1)
        command = [sys.executable, "-m", "kigeon", "audit", "--config", str(kigeon.config)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (1, "")
        first, *summary = done.stdout.splitlines()
        assert "UNACCOUNTED FOR; loki unknown (it was parked, and is not in the dead-letter stream any more)" in first
        assert summary == [
            "",
            "SENDER   SENT   PARKED   UNKNOWN",
            "loki     7      1        1",
            "",
            "9 Events are in the cluster, 1 of them unaccounted for",
        ]
        done = subprocess.run([*command, "--all"], capture_output=True, text=True, timeout=60, check=False)
        assert len(done.stdout.splitlines()) == 9 + 5
        assert kigeon.stop() == 0


def destroy(kigeon: Kigeon, stream: str, letter: str) -> None:
    """Purge a letter behind kigeon's back."""
    server = kigeon.process("nats-server")
    token = dict(part.split("=", 1) for part in Path(f"/proc/{server}/environ").read_text().split("\0") if part)
    (ports,) = (kigeon.folder / "data").rglob("*.ports")

    async def purge() -> None:
        url = orjson.loads(ports.read_bytes())["nats"][0]
        async with connected(QueueAddress(url, token["KIGEON_NATS_TOKEN"]), "test") as client:
            subject = f"{DEAD_LETTER_SUBJECT}.{letter.replace('/', '.')}"
            await client.jetstream().purge_stream(stream, subject=subject)

    asyncio.run(purge())


def test_what_is_replayed_to_a_dead_loki_survives_a_crash(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    events = [make_event(number) for number in range(5)]
    loki.limits.max_line = 10
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        api.wait_for_watches()
        api.put_events(events)
        ids = parked(kigeon, 5)
        loki.limits.max_line = 100_000
        loki.always = lambda tenant: 503
        assert kigeon.ask("dead-letter", "replay", "--all", "--sender", "loki")["done"] == ids
        assert kigeon.ask("status")["senders"]["loki"]["waiting"] == 5
        kigeon.kill_tree()
        kigeon.start()
        loki.always = lambda tenant: 0
        loki.wait_for(5)
        reported(kigeon, sent=5)
        wait_until(lambda: kigeon.ask("status")["senders"]["loki"]["sent"] == 5)
        assert kigeon.ask("dead-letter", "list") == {"deadLetters": []}
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)


def test_an_audit_accounts_for_every_event_of_the_cluster(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    """Down to Loki: what is missing there and what is doubled is found, though every position says that it was sent."""
    script = tmp_path / "hook.star"
    script.write_text(
        "def transform(config, event):\n"
        "    if event['reason'] == 'Skipped':\n        return None\n"
        "    config['tenantID'] = event['metadata']['namespace']\n    return config\n"
    )
    reasons = {1: "Skipped", 2: "Refused"}
    events = [
        make_event(number, namespace=f"team-{number % 2}", reason=reasons.get(number, "BackOff"))
        for number in range(50)
    ]
    loki.refuse = lambda line: line.fields["reason"] == "Refused"
    api.put_events(events)
    with Kigeon(tmp_path, api, [loki_sender(loki, hook={"script": str(script)})]) as kigeon:
        loki.wait_for(48)
        reported(kigeon, sent=48, skipped=1, parked=1)
        wait_until(lambda: kigeon.ask("status")["senders"]["loki"]["waiting"] == 0)
        found = kigeon.ask("audit", "--loki")
        assert (found["listed"], found["unaccounted"]) == (50, 0)
        assert found["senders"] == {"loki": {"sent": 48, "skipped": 1, "parked": 1}}
        assert found["loki"] == {"loki": {"once": 48}}
        fates = {event["name"]: event["senders"]["loki"] for event in found["events"]}
        assert fates["web-1.17a"] == {"outcome": "skipped", "reason": "the hook returned None"}
        assert "refused" in fates["web-2.17a"]["reason"]
        # An operator deleted a line, and something else than kigeon wrote one again.
        lines = loki.lines
        with loki.changed:
            del loki.held[lines[0]]
            loki.held[Line(lines[1].tenant, (*lines[1].labels, ("by", "hand")), *_rest(lines[1]))] = None
        found = kigeon.ask("audit", "--loki", status=1)
        assert found["unaccounted"] == 2
        assert found["loki"] == {"loki": {"once": 46, "missing": 1, "doubled": 1}}
        api.faults.fail_next(2, 503)
        assert kigeon.ask("audit")["unaccounted"] == 0
        kigeon.kill_tree()
        kigeon.start()
        wait_until(lambda: accounts(kigeon).get("sent") == 48)
        assert kigeon.ask("audit")["unaccounted"] == 0
        assert kigeon.stop() == 0


def _rest(line: Line) -> tuple[int, str, tuple[tuple[str, str], ...]]:
    return line.timestamp, line.line, line.metadata


def test_an_audit_shows_what_was_evicted_and_what_waits(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    """It holds 8,500 in memory and has asked for 2,700 more, at most; the queue beside it holds 2,300."""
    events = 16_000
    noise = [make_event(number, message=os.urandom(1500).hex()) for number in range(events)]
    loki.answering.clear()
    with Kigeon(tmp_path, api, [loki_sender(loki)], queue={"eventsMaxBytes": "4Mi"}) as kigeon:
        api.wait_for_watches()
        for start in range(0, events, 500):
            api.put_events(noise[start : start + 500])
        reported(kigeon, "queue", stored=events)
        loki.answering.set()
        wait_until(lambda: kigeon.ask("status")["senders"]["loki"]["waiting"] == 0)
        status = kigeon.ask("status")["senders"]["loki"]
        assert status["evicted"] > 0
        assert (status["sent"] + status["evicted"], status["unaccounted"]) == (events, 0)
        found = kigeon.ask("audit")
        assert found["unaccounted"] == 0
        assert found["senders"]["loki"] == {"sent": status["sent"], "evicted": status["evicted"]}
        assert {"the queue evicted it before the sender had it"} == {
            event["senders"]["loki"]["reason"]
            for event in found["events"]
            if event["senders"]["loki"]["outcome"] == "evicted"
        }
        assert kigeon.stop() == 0


def test_only_its_owner_may_ask_and_rubbish_is_answered(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    with Kigeon(tmp_path / ("deep" * 30), api, [loki_sender(loki)]) as kigeon:
        path = kigeon.folder / "data" / "run" / "operator.sock"
        wait_until(path.exists)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        for request, said in (
            (b"?\n", b"no JSON"),
            (b"[]\n", b"no JSON object"),
            (b'{"command":"shutdown"}\n', b"command must be one of"),
            (b'{"command":"dead-letter","action":"eat"}\n', b"action must be one of"),
            (b'{"command":"dead-letter","action":"list","sender":"x"}\n', b"there is no sender"),
            (b'{"command":"dead-letter","action":"show","ids":["loki/../x"]}\n', b"is no dead letter's id"),
            (b'{"command":"dead-letter","action":"show","ids":["loki/9"]}\n', b"there is no such dead letter"),
        ):
            assert said in raw_answer(path, request)
        wait_until(lambda: kigeon.ask("status"))
        assert kigeon.stop() == 0
        assert not path.exists()


def raw_answer(path: Path, request: bytes) -> bytes:
    folder = os.open(path.parent, os.O_PATH)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(f"/proc/self/fd/{folder}/{path.name}")
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(65536), b""))
    finally:
        os.close(folder)


@pytest.mark.parametrize(
    "command", [["status"], ["audit"], ["dead-letter", "list"], ["dead-letter", "replay", "--all"]]
)
def test_where_no_kigeon_runs_it_says_so(tmp_path: Path, api: ApiServer, loki: Loki, command: list[str]) -> None:
    kigeon = Kigeon(tmp_path, api, [loki_sender(loki)])
    done = subprocess.run(
        [sys.executable, "-P", "-m", "kigeon", *command, "--config", str(kigeon.config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert f"no kigeon runs with global.dataDir {tmp_path / 'data'}" in done.stderr


def test_what_a_loki_lost_is_sent_again_from_the_queue(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    """Of the time that is asked for, of one namespace or of all; the accounts tell it, through a restart."""
    events = [make_event(number, namespace="shop" if number % 2 else "other") for number in range(60)]
    api.put_events(events)
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        wait_until(lambda: accounts(kigeon).get("sent") == 60)
        loki.restart(keep=False)
        shop = ("--sender", "loki", "--since", "1h", "--namespace", "shop")
        assert kigeon.ask("resend", *shop) == {"sender": "loki", "resent": 30, "notSent": 0}
        assert_once(loki.lines, events[1::2])
        pushes = len(loki.pushes)
        assert kigeon.ask("resend", *shop, "--until", "59m") == {"sender": "loki", "resent": 0, "notSent": 0}
        assert len(loki.pushes) == pushes
        assert kigeon.ask("resend", "--sender", "loki", "--since", "1h")["resent"] == 60
        assert_once(loki.lines, events)
        kigeon.kill_tree()
        kigeon.start()
        found = kigeon.ask("status")["senders"]["loki"]
        assert (found["sent"], found["resent"], found["waiting"], found["unaccounted"]) == (60, 90, 0, 0)
        assert kigeon.stop() == 0


def test_status_says_why_a_sender_waits_and_since_when(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    """And the log says that its destination takes events again: how long it did not, and how many waited."""
    loki.credentials = ("me", "secret")
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        api.wait_for_watches()
        api.put_events([make_event(number) for number in range(7)])
        (wait,) = wait_until(lambda: kigeon.ask("status")["waits"]["loki"], what="something to wait for")
        assert (wait["destination"], wait["held"], wait["reason"]) == (loki.url, True, "401 no org id")
        assert wait["cure"] == "check basicAuth and tenantID"
        assert wait["since"] <= wait["nextTry"]
        command = [sys.executable, "-P", "-m", "kigeon", "status", "--config", str(kigeon.config)]
        with subprocess.Popen([*command, "--watch"], stdout=subprocess.PIPE, text=True) as watching:
            assert watching.stdout is not None
            first = [watching.stdout.readline() for _ in range(10)]
            assert first[0].startswith("RECEIVED   STORED")
            assert "  why   401 no org id\n" in first
            loki.credentials = None
            loki.wait_for(7)
            while "loki     7        7      0 " not in watching.stdout.readline():
                pass
            watching.terminate()
            watching.stdout.read()
        wait_until(lambda: kigeon.ask("status")["waits"] == {"loki": []})
        assert kigeon.stop() == 0
        (back,) = [line for line in kigeon.log() if line["message"] == "the destination takes events again"]
    assert (back["events"], back["destination"], back["level"]) == (7, loki.url, "info")
    assert back["seconds"] > 0


def test_dead_letters_are_shown_by_their_reason(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    loki.limits.max_line = 100
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        api.wait_for_watches()
        api.put_events([make_event(number) for number in range(30)])
        parked(kigeon, 30)
        command = [sys.executable, "-P", "-m", "kigeon", "dead-letter", "list", "--config", str(kigeon.config)]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
        assert shown[0].startswith("loki: 30 parked ")
        assert "max entry size '100' bytes exceeded" in shown[1]
        assert shown[2].split() == ["ID", "AGE", "EVENT"]
        assert shown[6:] == ["  … and 27 more", "", "30 dead letters; --all shows each"]
        every = subprocess.run([*command, "--all"], capture_output=True, text=True, timeout=60, check=True).stdout
        assert len(every.splitlines()) == 30
        assert kigeon.stop() == 0
