"""Checks what each sender's hook makes of a sample Event, and whether the destination accepts the result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kigeon.config.settings import HookSettings, SenderSettings
from kigeon.errors import HookError
from kigeon.events.sample import sample_event, sample_pod
from kigeon.finding import Finding, failed, well
from kigeon.hooks.cache import ConfigCache
from kigeon.hooks.results import Failed, Skipped
from kigeon.hooks.runner import HookRunner
from kigeon.senders.registry import TYPES


def check_sender(sender: SenderSettings) -> Iterator[Finding]:
    """Yield the findings for *sender*; the sample is sent to the destination that the sender's hook chooses."""
    settings, event = sender.settings, sample_event()
    if sender.hook is not None:
        try:
            settings, said = _transformed(sender, sender.hook, event)
            yield well(f"{sender.name} hook", said)
        except HookError as error:
            cure = f"correct {sender.hook.script}; `kigeon hook test` shows what it does"
            yield failed(f"{sender.name} hook", f"it fails with the sample Event: {error}", cure)
    for finding in TYPES[sender.type].check(settings, event):
        yield Finding(f"{sender.name} {finding.subject}".strip(), finding.is_well, finding.said, finding.cure)


def _transformed(sender: SenderSettings, hook: HookSettings, event: dict[str, Any]) -> tuple[Any, str]:
    """Return the settings that *hook* has for *event*, and what the hook did, in words. Raises :class:`HookError`."""
    runner = HookRunner(hook, sender.config)
    try:
        runner.start()
        (result,) = runner.transform([{**event, "pod": sample_pod()} if hook.enrich_pod else event])
    finally:
        runner.close()
    if isinstance(result, Failed):
        raise result.error
    if isinstance(result, Skipped):
        return sender.settings, f"{hook.script} skips the sample Event"
    if result.config is None:
        return sender.settings, f"{hook.script} leaves the configuration as it is"
    return ConfigCache(TYPES[sender.type].config).settings_of(result.config), f"{hook.script} changes the configuration"
