"""What would run with a configuration, in words; ``kigeon check`` prints it."""

from __future__ import annotations

from kigeon.config.labels import SERVICE_LABELS, Labels
from kigeon.config.settings import LokiSettings, SenderSettings, Settings


def describe(settings: Settings) -> str:
    """Return a few lines; no secret is among them."""
    queue = settings.queue
    kept = f"events kept {queue.events_max_age:g}s, remembered {queue.kubernetes_events_max_lifetime:g}s"
    lines = [
        f"queue       {settings.global_.data_dir}: at most {queue.events_max_bytes / 2**20:g}Mi, {kept}",
        f"log         {settings.global_.log_level}, {settings.global_.log_format}",
    ]
    for sender in settings.senders:
        lines += [f"sender      {sender.name} ({sender.type})", *(f"  {line}" for line in _sender(sender))]
    return "\n".join([*lines, "the configuration is valid", ""])


def _sender(sender: SenderSettings) -> list[str]:
    lines = []
    if sender.loki is not None:
        tenant = f", tenant {sender.loki.tenant_id}" if sender.loki.tenant_id else ""
        auth = f", as {sender.loki.basic_auth.username}" if sender.loki.basic_auth else ""
        lines.append(f"to        {sender.loki.url}{tenant}{auth}")
        lines.append(f"labels    {', '.join(_labels(sender.loki))}")
        lines.append(f"metadata  {', '.join(_shown(sender.loki.structured_metadata)) or 'none'}")
    if sender.filter is not None:
        wanted = ", ".join(f"{name}={value}" for name, value in sender.filter.match_labels.items()) or "all"
        scoped = "with" if sender.filter.include_non_namespaced else "without"
        lines.append(f"filter    namespaces {wanted}, {scoped} events about cluster-scoped objects")
    if sender.hook is not None:
        hook = sender.hook
        lines.append(f"hook      {hook.script}, {hook.timeout:g}s for each event, on error: {hook.on_error}")
    return lines


def _labels(loki: LokiSettings) -> list[str]:
    own = loki.stream_labels
    of_event = tuple(pair for pair in loki.event_labels if pair[0] not in own)
    service = ["service_name=kigeon"] if SERVICE_LABELS.isdisjoint([*own, *dict(of_event)]) else []
    return [*(f"{name}={value}" for name, value in own.items()), *service, *_shown(of_event)]


def _shown(labels: Labels) -> list[str]:
    return [name if name == field else f"{name} ({field})" for name, field in labels]
