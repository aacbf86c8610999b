"""What an operator sees of kigeon: logs."""
