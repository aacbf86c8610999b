"""Describes what would run with a configuration; ``kigeon check`` prints the description."""

from __future__ import annotations

from kigeon.cli.table import span
from kigeon.config.settings import SenderSettings, Settings
from kigeon.senders.registry import TYPES


def describe(settings: Settings) -> str:
    """Return a few lines; no secret is among them."""
    queue = settings.queue
    kept = f"events kept {span(queue.events_max_age)}, remembered {span(queue.kubernetes_events_max_lifetime)}"
    place = str(settings.global_.data_dir)
    if queue.external is not None:
        place = f"{', '.join(queue.external.servers)}, {queue.external.name}, {queue.external.replicas} replicas"
    lines = [
        f"queue       {place}: at most {queue.events_max_bytes / 2**20:g}Mi, {kept}",
        f"log         {settings.global_.log_level}, {settings.global_.log_format}",
    ]
    for sender in settings.senders:
        lines += [f"sender      {sender.name} ({sender.type})", *(f"  {line}" for line in _sender(sender))]
    return "\n".join([*lines, "the configuration is valid", ""])


def _sender(sender: SenderSettings) -> list[str]:
    lines = TYPES[sender.type].describe(sender.settings)
    if sender.filter is not None:
        wanted = ", ".join(f"{name}={value}" for name, value in sender.filter.match_labels.items()) or "all"
        scoped = "with" if sender.filter.include_non_namespaced else "without"
        lines.append(f"filter    namespaces {wanted}, {scoped} events about cluster-scoped objects")
    if sender.hook is not None:
        hook = sender.hook
        lines.append(f"hook      {hook.script}, {hook.timeout:g}s for each event, on error: {hook.on_error}")
    return lines
