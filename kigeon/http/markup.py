"""Makes HTML, in which any text is escaped that this module did not make. Pure.

The standard library's ``html`` would load a table of 2,231 names for the one function that is needed.
"""

from __future__ import annotations

_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})


class Markup(str):
    """HTML that is inserted as it is; any other text is escaped."""

    __slots__ = ()


def escape(value: object) -> Markup:
    """Return *value* as HTML."""
    return value if isinstance(value, Markup) else Markup(str(value).translate(_ESCAPED))


def join(*parts: object) -> Markup:
    """Return *parts* one after another, as HTML."""
    return Markup("".join([escape(part) for part in parts]))


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """Return an element; an attribute that is None is left out.

    An attribute's name loses a trailing ``_``, and any other ``_`` becomes ``-``.
    """
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{told}>{join(*children)}</{name}>")
