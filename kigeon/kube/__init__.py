"""Access to a cluster: credentials, the reflector, and what is looked up."""
