"""The image, built and run by a real container engine, and the manifests, applied to a real API server."""
