"""Configuration files for tests: written, read, and what was found wrong."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from kigeon.config.load import load_settings
from kigeon.config.settings import Settings
from kigeon.errors import ConfigurationError, Problem
from kigeon.senders.registry import config_types

SENDER = """\
eventsenders:
- name: loki
  type: loki
  config:
    url: http://loki:3100
"""
"""The least that is valid; what is appended to it continues the sender's config."""


def load(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> Settings:
    """Write *text* to a file and read it, with *environ* for an environment."""
    file = folder / "kigeon.yaml"
    file.write_text(text, "utf-8")
    return load_settings(file, config_types(), environ or {})


def problems_of(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> list[Problem]:
    """Return what is wrong with *text*."""
    with pytest.raises(ConfigurationError) as caught:
        load(folder, text, environ)
    assert caught.value.source == str(folder / "kigeon.yaml")
    return list(caught.value.problems)


def told(problem: Problem) -> tuple[str, str, str, str]:
    """Return path, ``line:column``, message and cure of *problem*."""
    return problem.path, f"{problem.line}:{problem.column}", problem.message, problem.cure
