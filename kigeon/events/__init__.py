"""What an Event says, which occurrence it is, and how many of them travel as one envelope."""
