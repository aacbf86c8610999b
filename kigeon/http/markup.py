"""HTML that is escaped unless it was made here. Pure.

The standard library's ``html`` takes a table of 2,231 names for one function.
"""

from __future__ import annotations

_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})


class Markup(str):
    """HTML; any other text is escaped where it becomes a part of some."""

    __slots__ = ()


def escape(value: object) -> Markup:
    """Return *value* as HTML."""
    return value if isinstance(value, Markup) else Markup(str(value).translate(_ESCAPED))


def join(*parts: object) -> Markup:
    """Return *parts* one after another."""
    return Markup("".join([escape(part) for part in parts]))


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """Return an element; an attribute that is None is left out.

    Of an attribute's name a trailing ``_`` goes, and any other is ``-``.
    """
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{told}>{join(*children)}</{name}>")
