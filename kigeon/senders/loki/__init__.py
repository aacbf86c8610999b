"""The sender type for Grafana Loki: bodies, pushes, and what the answers mean."""
