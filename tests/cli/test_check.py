"""How the description of what would run is written."""

from kigeon.cli.check import described
from kigeon.cli.terminal import Look


def test_what_would_run_is_wrapped_on_a_terminal_alone() -> None:
    text = f"sender      loki (loki)\n  metadata  {'level, reason, ' * 8}uid\nthe configuration is valid\n"
    assert list(described(text, Look())) == text.splitlines()
    first, *metadata, last = described(text, Look(80))
    assert (first, last) == ("sender      loki (loki)", "the configuration is valid")
    assert len(metadata) == 2
    assert metadata[1].startswith("            level") or metadata[1].startswith("            reason")
    assert max(map(len, metadata)) <= 80
