"""``resend`` has a sender send the events of some time again from the queue, a slice at a time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from nats.aio.client import Client

from kigeon.operator.admin_socket import RequestContext
from kigeon.operator.answer import Answer
from kigeon.operator.senders import Action, ask
from kigeon.senders.retry.resending import Resending, Wanted


async def resend(client: Client, context: RequestContext, request: dict[str, Any], answer: Answer) -> None:
    """Have a ``sender`` send again what was stored from ``since`` seconds ago until ``until`` seconds ago.

    ``namespace`` selects one namespace. ``late`` also sends events that the destination takes only as late lines.
    """
    sender, since, until = request.get("sender"), request.get("since"), request.get("until") or 0.0
    names = [configured.name for configured in context.settings.senders]
    if sender not in names:
        raise ValueError(f"there is no sender {sender!r}; there are {', '.join(names)}")
    if not isinstance(since, (int, float)) or not isinstance(until, (int, float)) or not 0 <= until < since:
        raise ValueError("since must be longer ago than until")
    now = time.time()
    wanted: dict[str, Any] = {
        "action": "resend",
        "since": now - since,
        "until": now - until,
        "namespace": request.get("namespace"),
        "late": request.get("late") is True,
    }
    resent = not_sent = 0

    async def at_it() -> None:
        await answer.progress(f"{sender}: sent again", resent)

    while True:
        found = await ask(client, str(sender), wanted, at_it)
        resent, not_sent = resent + found["resent"], not_sent + found["notSent"]
        waits = f" ({found['underWay']} wait for {', '.join(found['blocked'])})" if found["blocked"] else ""
        await answer.progress(f"{sender}{waits}: sent again", resent)
        if not found["next"] and not found["underWay"]:
            break
        wanted["sequence"] = found["next"]
    await answer.members({"sender": sender, "resent": resent, "notSent": not_sent})


def resending(resending: Resending, report: Any) -> Action:
    """Return the action that answers in a sender's process; *report* returns the engine's report."""

    async def act(request: Mapping[str, Any]) -> dict[str, Any]:
        sequence = request.get("sequence")
        if sequence is None:
            sequence = await resending.sequence_since(float(request["since"]))
        found = await resending.resend(
            Wanted(int(sequence), float(request["until"]), request["namespace"], bool(request["late"]))
        )
        return {
            "next": found.next_sequence,
            "resent": found.resent,
            "underWay": found.under_way,
            "notSent": found.not_sent,
            "blocked": report()["blocked"] if found.under_way else [],
        }

    return act
