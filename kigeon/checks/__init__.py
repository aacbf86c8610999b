"""Whether what a configuration names works: the cluster, each destination, the volume, the rest."""
