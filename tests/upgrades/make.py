"""Makes the data directory that is kept of a version: ``python -m tests.upgrades.make`` in a checkout of that version.

It writes ``data/<version>.tar.gz``: the directory ``jetstream`` as it lies there when everything is killed at once, and
``made.json``: the time of the Events, and what Loki held by then. Its steps:

1. Three senders, each with a filter and a hook, and a Loki where the tenants ``…-awaya`` and ``…-awayb`` are down
   and lines with the reason ``Refused`` are refused.
2. Batches of three Events: one arrives (or is filtered, skipped, parked), one makes the hook fail, one goes to a
   tenant that is down. What waits moves to the retry stream, twice; the last ones wait in the events stream.
3. Loki goes down as a whole; an operator has four of the first sender's dead letters tried again: they wait.
4. Everything is killed.
"""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import kigeon
from kigeon.standin.apiserver import ApiServer
from tests.support.kigeon import Kigeon, accounts
from tests.support.loki import Loki
from tests.support.processes import wait_until
from tests.upgrades.story import HOOK, SENDERS, arrives, events_of, key_of, kigeon_of

DATA = Path(__file__).parent / "data"
REPLAYED = 4


def main() -> None:
    """Make it."""
    time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    with tempfile.TemporaryDirectory() as folder, ApiServer() as api, Loki() as loki:
        place = Path(folder) / "kigeon"
        place.mkdir()
        (place / "hook.star").write_text(HOOK)
        loki.always = lambda tenant: 503 if "-away" in tenant else 0
        loki.refuse = lambda line: bool(line.fields["reason"] == "Refused")
        with kigeon_of(place, api, loki, SENDERS) as running:
            _flow(running, api, loki, time)
            loki.always = lambda tenant: 503
            letters = running.ask("dead-letter", "list", "--sender", SENDERS[0])["deadLetters"]
            running.ask("dead-letter", "replay", *[letter["id"] for letter in letters[:REPLAYED]])
            status = running.ask("status")["senders"]
            running.kill_tree()
        made = {"version": kigeon.__version__, "time": time, "held": sorted(map(key_of, loki.lines)), "status": status}
        _write(place / "data", made)


def _flow(running: Kigeon, api: ApiServer, loki: Loki, time: str) -> None:
    events = events_of(time)
    api.wait_for_watches()
    for start in range(0, len(events), 3):
        api.put_events(events[start : start + 3])
        if arrives(start):
            last = events[start]["metadata"]["uid"]
            loki.wait_for(
                lambda lines, last=last: {key_of(line) for line in lines[-9:]} >= {f"{name}/{last}" for name in SENDERS}
            )
    for name in SENDERS:
        actor = f"sender/{name}"
        wait_until(lambda actor=actor: accounts(running, actor).get("number") == len(events) + 1, 60)
        wait_until(lambda actor=actor: accounts(running, actor)["retrying"] > 0, 60)


def _write(data: Path, made: dict[str, object]) -> None:
    DATA.mkdir(exist_ok=True)
    with tarfile.open(DATA / f"{kigeon.__version__}.tar.gz", "w:gz") as archive:
        archive.add(data / "jetstream", "jetstream")
        said = json.dumps(made, indent=1).encode()
        entry = tarfile.TarInfo("made.json")
        entry.size = len(said)
        archive.addfile(entry, io.BytesIO(said))


if __name__ == "__main__":
    main()
