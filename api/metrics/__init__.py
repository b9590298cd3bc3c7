"""What a process of the API counts, as Prometheus reads it (`GET /metrics`)."""
