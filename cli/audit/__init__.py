"""The audit: are the invariants of the design true of this database, this Temporal and this provider."""

from cli.audit.auditing import audit

__all__ = ["audit"]
