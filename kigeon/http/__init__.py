"""Metrics, health and the status page, by HTTP, from a process of their own.

That process knows what the root tells it and no more. It answers also while nats-server starts and while the actor
system is built again, and whatever is done to it, no event waits for it.
"""
