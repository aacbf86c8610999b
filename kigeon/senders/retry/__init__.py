"""What of a sender's events waits in its retry stream, and comes back."""
