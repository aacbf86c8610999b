"""A data directory that an earlier version left, killed at once: this one goes on with it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.support.kigeon import Kigeon
from tests.support.loki import Loki
from tests.support.processes import wait_until
from tests.upgrades.story import MENDED, SENDERS, ends, events_of, key_of, kigeon_of, namespace_of, unpack

KEPT = sorted((Path(__file__).parent / "data").glob("*.tar.gz"))


def settled(kigeon: Kigeon) -> dict[str, dict[str, int]]:
    """Return the accounts once nothing waits."""

    def accounts() -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = kigeon.ask("status")["senders"]
        return found if all(sender["waiting"] == 0 for sender in found.values()) else {}

    return wait_until(accounts, 60, "the end of all that waits")


@pytest.mark.parametrize("configured", [SENDERS[:2], SENDERS], ids=["one-is-gone", "all-senders"])
@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: kept.name)
def test_nothing_is_lost_nothing_is_repeated_and_the_accounts_balance(
    tmp_path: Path, api: ApiServer, loki: Loki, kept: Path, configured: tuple[str, ...]
) -> None:
    made = unpack(kept, tmp_path)
    events = events_of(made["time"])
    (tmp_path / "hook.star").write_text(MENDED)
    api.put_events(events)
    with kigeon_of(tmp_path, api, loki, configured) as kigeon:
        accounts = settled(kigeon)
        assert kigeon.ask("dead-letter", "replay", "--all")["problems"] == {}
        after = settled(kigeon)
        assert kigeon.stop() == 0
    destinations = {(sender, number): ends(sender, number) for sender in configured for number in range(len(events))}
    wanted = {f"{tenant}/{events[number]['metadata']['uid']}" for (_, number), tenant in destinations.items() if tenant}
    held = {key for key in made["held"] if key.startswith(configured)}
    assert held <= wanted
    found = Counter(map(key_of, loki.lines))
    assert found == Counter(wanted - held)
    assert loki.repeats == 0
    for sender in configured:
        nowhere = [number for number in range(len(events)) if not ends(sender, number)]
        filtered = sum(namespace_of(number) == "other" for number in nowhere)
        still_parked = made["status"][sender]["parked"]
        whole = {"stored": len(events), "filtered": filtered, "skipped": len(nowhere) - filtered, "waiting": 0}
        whole |= {"evicted": 0, "resent": 0, "unaccounted": 0}
        sent = len(events) - len(nowhere)
        assert accounts[sender] == {**whole, "sent": sent - still_parked, "parked": still_parked}
        assert after[sender] == {**whole, "sent": sent, "parked": 0}


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: kept.name)
def test_something_of_each_kind_is_there(tmp_path: Path, kept: Path) -> None:
    """Else the test before shows less than it says."""
    made = unpack(kept, tmp_path)
    status = made["status"]["loki"]
    assert all(status[kind] > 0 for kind in ("sent", "filtered", "skipped", "parked", "waiting"))
    assert status["unaccounted"] == status["evicted"] == 0
    assert {name for name in SENDERS if any(key.startswith(f"{name}/") for key in made["held"])} == set(SENDERS)
    assert kept.stat().st_size < 2**20
