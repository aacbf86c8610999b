"""From the queue to a destination: what becomes of each event, for each sender on its own."""
