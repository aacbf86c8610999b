"""Checks whether everything that a configuration names works: the cluster, the volume, each destination."""
