"""The only callers of Temporal's start, update, signal and query: what the API, the command line and webhooks use."""
