"""What can keep a benchmark from its figures."""

from cli.errors import CommandError


class BenchError(CommandError):
    """An order was not placed, or a process of the benchmark ended; the message says which and why."""
