"""What of a sender's events is pushed, where and when."""
