"""Events that wait in a sender's retry stream, and how they come back."""
