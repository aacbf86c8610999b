"""How far a sender is, in memory and durable."""
