"""nats-server: its process, the connection to it, the streams on it."""
