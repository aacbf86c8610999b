"""What is durable: the streams in JetStream, who writes them and how they are read."""

from kigeon.lean import without

with without("aiohttp"):
    # It would import aiohttp for WebSockets, which nobody speaks here, and which takes 9 MiB. It does without it, too.
    import nats.aio.transport  # noqa: F401
