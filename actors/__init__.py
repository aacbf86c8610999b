"""The running system: actors on Thespian, thin around the library's domain objects."""
