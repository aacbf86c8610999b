"""The running system: actors on Thespian, which are thin wrappers of the library's domain objects."""
