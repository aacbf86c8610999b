"""kigeon exports Kubernetes Events to Grafana Loki, each occurrence once."""

__version__ = "0.1.0"
