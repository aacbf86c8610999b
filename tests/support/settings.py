"""Settings that tests share."""

from kigeon.config.settings import QueueSettings

QUEUE_SETTINGS = QueueSettings(events_max_bytes=4 * 2**20)
"""A queue whose streams are small."""
