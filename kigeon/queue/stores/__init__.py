"""What is durable beside the events stream."""
