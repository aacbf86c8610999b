"""The engine of a sender: reading, preparing, pushing, booking."""
