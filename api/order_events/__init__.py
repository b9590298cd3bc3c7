"""Streams of what happens to an order, for as long as somebody listens."""
