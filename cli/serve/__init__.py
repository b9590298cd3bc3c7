"""The processes that a deployment consists of, one command a file."""
