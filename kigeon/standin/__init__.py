"""A stand-in for a cluster: an API server with lifelike Events, for the demo and the tests."""
