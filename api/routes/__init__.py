"""The endpoints, one service a file."""
