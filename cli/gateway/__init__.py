"""The gateway: one address before all services, derived from the table of routes."""
