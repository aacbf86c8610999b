"""What happens around a kigeon whose data directory is kept: its configuration, its Events, and who takes what.

The version that made a directory and the version that goes on with it see the same: so it is a function of one time.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

from kigeon.standin.apiserver import ApiServer
from tests.support.events import make_event
from tests.support.kigeon import Kigeon
from tests.support.loki import Line, Loki

ROUNDS = 560
"""Batches: a sender moves what waits to the retry stream at each 256 of which something waits."""

SENDERS = ("loki", "second", "gone")
"""The last one is configured no more when the directory is gone on with."""

HOOK = """
def transform(config, event):
    reason = event["reason"]
    if reason == "Skipped":
        return None
    if reason == "Fails":
        fail("it is not known where to")
    if reason.startswith("Away"):
        config["tenantID"] = config["tenantID"] + "-" + reason.lower()
    return config
"""
MENDED = HOOK.replace('fail("it is not known where to")', 'config["tenantID"] = config["tenantID"] + "-fails"')

FOREVER = "87600h"
QUEUE = {"eventsMaxAge": FOREVER, "eventsMaxBytes": "64Mi", "kubernetesEventsMaxLifetime": FOREVER}


def reason_of(number: int) -> str:
    """Return the reason of an event by its number: of three of a round one arrives, the others wait."""
    round_, place = divmod(number, 3)
    if place:
        return "Fails" if place == 1 else ("AwayA" if round_ % 2 else "AwayB")
    return {3: "Skipped", 5: "Refused"}.get(round_ % 50, "Pulled")


def namespace_of(number: int) -> str:
    """Return the namespace of an event; those of ``other`` pass no filter."""
    return "other" if number % 150 == 3 else "shop"


def arrives(number: int) -> bool:
    """Return whether an event arrives while the tenants are down and the hook is not mended."""
    return reason_of(number) == "Pulled" and namespace_of(number) == "shop"


def events_of(time: str) -> list[dict[str, Any]]:
    """Return every Event; *time* is RFC 3339."""
    stamps: dict[str, Any] = {"firstTimestamp": time, "lastTimestamp": time}
    found = []
    for number in range(3 * ROUNDS):
        event = make_event(number, namespace_of(number), reason=reason_of(number), **stamps)
        event["metadata"]["creationTimestamp"] = time
        found.append(event)
    return found


def sender(loki: Loki, name: str) -> dict[str, Any]:
    """Return the configuration of a sender; its tenant has its name."""
    hook = {"script": "hook.star", "onError": "fail"}
    config = {"url": loki.url, "tenantID": name, "streamLabels": {"app": "kigeon"}, "hook": hook}
    selector = {"namespaceSelector": {"matchLabels": {"team": "a"}}}
    return {"name": name, "type": "loki", "filter": selector, "config": config}


def kigeon_of(folder: Path, api: ApiServer, loki: Loki, senders: tuple[str, ...], **queue: Any) -> Kigeon:
    """Return a kigeon in *folder*, its API server knowing the namespaces; more of its *queue* where that is said."""
    api.put_namespace("shop", {"team": "a"})
    api.put_namespace("other", {"team": "b"})
    return Kigeon(folder, api, [sender(loki, name) for name in senders], queue={**QUEUE, **queue})


def key_of(line: Line) -> str:
    """Return what tells a held line apart: its tenant and its event."""
    return f"{line.tenant}/{line.fields['uid']}"


def unpack(kept: Path, folder: Path) -> dict[str, Any]:
    """Unpack a kept data directory to where a kigeon in *folder* looks for it; return what is said of it."""
    with tarfile.open(kept) as archive:
        archive.extractall(folder / "data", filter="data")
    made: dict[str, Any] = json.loads((folder / "data" / "made.json").read_text())
    return made


def ends(tenant: str, number: int) -> str:
    """Return the tenant to which a sender sends an event in the end; no text where it sends it nowhere."""
    reason = reason_of(number)
    if reason == "Skipped" or namespace_of(number) == "other":
        return ""
    return tenant if reason in ("Pulled", "Refused") else f"{tenant}-{reason.lower()}"
