"""The parts of the status page, each a function from the data of ``/api/status`` to HTML. Pure.

In ``index.html`` a comment with the part's name marks its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from kigeon.http.graph import graph
from kigeon.http.markup import Markup, join, tag
from kigeon.http.moments import NEVER, day_of, moment_of, number, rate, size
from kigeon.http.problems import Problem, Told, problems

ACCOUNTS = ("sent", "waiting", "filtered", "skipped", "parked", "evicted", "resent")


def badges(told: Told) -> Markup:
    """Return whether kigeon is live and ready."""
    return join(*(_badge(name, told[name]) for name in ("live", "ready")))


def version(told: Told) -> Markup:
    """Return kigeon's version."""
    return join(told["version"])


def problem_list(told: Told) -> Markup:
    """Return the problems with their cures."""
    found = problems(told)
    return join(*map(_problem, found)) if found else tag("li", "All is well.", class_="good")


def way(told: Told) -> Markup:
    """Return the way of an event, from the cluster to each destination."""
    cluster, watcher, queue, rates = told["cluster"], told["watcher"], told["queue"], told["rates"]
    watched = "watched" if cluster["watching"] else "not watched now"
    heard = join(f"{watched}, last heard ", moment_of(cluster["lastHeard"]))
    pending = f"; {number(cluster['pending'])} read and not stored" if cluster["pending"] else ""
    known = ", ".join(f"{number(watcher.get(name, 0))} {name}" for name in ("received", "repeated", "unreadable"))
    held = f"of {size(queue['limitBytes'])}; {number(watcher.get('stored', 0))} events stored, "
    held += f"{number(queue['deadLetters'])} dead letters"
    return join(
        _step("Cluster", rate(rates["received"]), join(heard, pending), "" if cluster["watching"] else "bad"),
        _step("New", rate(rates["new"]), known),
        _step("Queue", size(queue["bytes"]), held),
        *(_destination(name, sender, rates["sent"].get(name)) for name, sender in told["senders"].items()),
    )


def day(told: Told) -> Markup:
    """Return the last 24 hours, in two graphs."""
    slots, began = told["day"], told["startedAt"]
    rates = [slot["new"] / slot["seconds"] if slot["seconds"] else None for slot in slots]
    waiting = [slot["waiting"] if slot["seconds"] else None for slot in slots]
    waits = sum(sender.get("waiting", 0) for sender in told["senders"].values())
    # The first slot began before kigeon did.
    times = [max(slot["from"], began) for slot in slots]
    return join(
        _figure("New events", rate(told["rates"]["new"]), rates, rate, times),
        _figure("Waiting to be sent", number(waits), waiting, number, times),
    )


def senders(told: Told) -> Markup:
    """Return a row for each sender."""
    return join(
        *(
            _row(name, *(number(sender.get(column, 0)) for column in ACCOUNTS))
            for name, sender in told["senders"].items()
        )
    )


def held(told: Told) -> Markup:
    """Return the destinations that take no events now, and why; an empty part where there are none."""
    lanes = [lane for sender in told["senders"].values() for lane in sender["held"]]
    if not lanes:
        return Markup("")
    columns = ("Destination", "Waiting here", "Why", "What to do", "Since", "Next try")
    head = tag("tr", *(tag("th", column, scope="col") for column in columns))
    table = tag("table", tag("thead", head), tag("tbody", *map(_lane, lanes)))
    title = tag("h3", "Where nothing goes now", id="held-title")
    return join(title, tag("div", table, class_="scroll", tabindex="0", role="region", aria_labelledby="held-title"))


def roles(told: Told) -> Markup:
    """Return which of several replicas holds which role since when; an empty part where there is one kigeon."""
    if not told["roles"]:
        return Markup("")
    head = tag("tr", *(tag("th", column, scope="col") for column in ("Role", "Replica", "Since")))
    table = tag("table", tag("thead", head), tag("tbody", *map(_role, told["roles"])))
    title = tag("h2", "Replicas", id="roles-title")
    scroll = tag("div", table, class_="scroll", tabindex="0", role="region", aria_labelledby="roles-title")
    return tag("section", title, scroll, aria_labelledby="roles-title")


def processes(told: Told) -> Markup:
    """Return a row for each process that may be replaced."""
    return join(
        *(
            _row(name, part["problem"] or ("runs" if part["ready"] else "does not run"), number(part["restarts"]))
            for name, part in told["processes"].items()
        )
    )


def started(told: Told) -> Markup:
    """Return since when kigeon runs."""
    return join("started ", day_of(told["startedAt"]))


PARTS: Mapping[str, Callable[[Told], Markup]] = {
    "version": version,
    "badges": badges,
    "problems": problem_list,
    "way": way,
    "day": day,
    "senders": senders,
    "held": held,
    "roles": roles,
    "processes": processes,
    "started": started,
}
"""The parts, by the id of the element that holds the part."""


def _badge(name: str, is_well: bool) -> Markup:
    return tag("li", f"{name}: {'yes' if is_well else 'no'}", class_=f"badge {'good' if is_well else 'bad'}", id=name)


def _problem(problem: Problem) -> Markup:
    cure = tag("p", f"Cure: {problem.cure}") if problem.cure else ""
    kind = "bad" if problem.is_bad else "wait"
    return tag("li", tag("strong", problem.title), tag("p", problem.text), cure, class_=kind)


def _step(title: str, figure: str, detail: object, kind: str = "") -> Markup:
    shown = tag("span", figure, class_=f"figure {kind}".strip())
    return tag("li", tag("strong", title), shown, tag("p", detail, class_="faint"))


def _destination(name: str, sender: Told, sent: float | None) -> Markup:
    kind = "wait" if sender["held"] else "" if sender["ready"] else "bad"
    detail = f"{number(sender.get('sent', 0))} sent, {number(sender.get('waiting', 0))} waiting"
    return _step(f"→ {name}", rate(sent), detail, kind)


def _figure(
    title: str, now: str, values: Sequence[float | None], write: Callable[[float], str], times: Sequence[str]
) -> Markup:
    known = [(value, at) for value, at in zip(values, times, strict=True) if value is not None]
    if not known:
        return tag("figure", tag("figcaption", tag("strong", title), " ", tag("span", "Nothing is known yet.")))
    most, at = max(known, key=lambda found: found[0])
    text = join(f"{now} now, at most {write(most)}", *((" at ", moment_of(at)) if most else ()))
    since = join("; known since ", moment_of(known[0][1])) if len(known) < len(times) else ""
    return tag(
        "figure",
        tag("figcaption", tag("strong", title), " ", tag("span", text, since, class_="faint")),
        graph(values, f"{title} in the last 24 hours: {now} now, at most {write(most)}"),
        tag("p", tag("span", "24 h ago"), tag("span", "12 h ago"), tag("span", "now"), class_="axis faint"),
    )


def _row(name: object, *cells: str) -> Markup:
    return tag("tr", tag("th", name, scope="row"), *map(_cell, cells))


def _cell(text: str) -> Markup:
    return tag("td", text, class_="number" if text.replace(",", "").isdigit() else None)


def _role(held: Told) -> Markup:
    since = moment_of(held["since"]) if held["since"] else NEVER
    return tag("tr", tag("th", held["role"], scope="row"), tag("td", held["replica"] or "nobody"), tag("td", since))


def _lane(lane: Told) -> Markup:
    waits = "It is tried again until it answers." if lane["state"] == "away" else NEVER
    return tag(
        "tr",
        tag("th", f"{lane['destination']} {lane['stream']}".strip(), scope="row"),
        _cell(number(lane["events"])),
        tag("td", lane["reason"]),
        tag("td", lane["cure"] or waits),
        tag("td", day_of(lane["since"])),
        tag("td", moment_of(lane["next"])),
    )
