"""Writes times, sizes and rates for the readers of the page. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from kigeon.http.markup import Markup, tag

NEVER = Markup("-")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def moment(seconds: float, form: str = "%H:%M:%S") -> Markup:
    """Return a time, given in seconds since the epoch, in UTC; the browser replaces it by the time of its own zone."""
    if not seconds:
        return NEVER
    told = datetime.fromtimestamp(seconds, UTC)
    return tag("time", told.strftime(form), datetime=told.strftime("%Y-%m-%dT%H:%M:%SZ"))


def moment_of(stamp: str | None) -> Markup:
    """Return the time of day of an RFC 3339 *stamp*."""
    return moment(datetime.fromisoformat(stamp).timestamp()) if stamp else NEVER


def day_of(stamp: str | None) -> Markup:
    """Return the time and the day of an RFC 3339 *stamp*."""
    return moment(datetime.fromisoformat(stamp).timestamp(), "%Y-%m-%d %H:%M:%S") if stamp else NEVER


def number(count: float) -> str:
    """Return a *count* with separated thousands."""
    return f"{count:,.0f}"


def size(count: float) -> str:
    """Return a number of bytes in a readable unit."""
    unit = 0
    while count >= 1024 and unit < len(_UNITS) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:.{1 if unit and count < 10 else 0}f} {_UNITS[unit]}"


def rate(a_second: float | None) -> str:
    """Return a rate of events a second; a low rate is written as events a minute or an hour."""
    if a_second is None:
        return "…"
    for factor, unit in ((1, "s"), (60, "min"), (3600, "h")):
        if a_second * factor >= 1:
            found = a_second * factor
            return f"{number(found) if found >= 10 else f'{found:.1f}'.removesuffix('.0')}/{unit}"
    return "0/s"
