"""What is durable: the streams in JetStream, who writes them and how they are read."""
