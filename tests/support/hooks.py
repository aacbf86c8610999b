"""Hooks for a sender."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def write_hook(folder: Path, body: str, name: str = "hook.star") -> dict[str, Any]:
    """Write a hook *name* whose transform has *body*; return its configuration."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    (folder / name).write_text(f"def transform(config, event):\n{lines}\n")
    return {"script": name}


ROUTE_BY_NODE = 'config["tenantID"] = "even" if int(event["source"]["host"][5:]) % 2 == 0 else "odd"\nreturn config'
