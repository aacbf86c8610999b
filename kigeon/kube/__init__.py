"""Access to a cluster with its credentials, the reflector, and look-ups of Pods and namespaces."""
