"""Deterministic orchestration that reads like the business story. Knows contracts and domain only."""
