"""The senders: each takes events from the queue to its destinations, on its own."""
