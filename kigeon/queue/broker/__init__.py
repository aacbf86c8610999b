"""The process of nats-server, the connection to JetStream, and the streams there."""
