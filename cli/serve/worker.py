"""`everorder worker`: a process that works on Temporal task queues."""

from typing import Annotated

import typer
from workers.main import run

_EVERY_QUEUE = ["orders", "payments", "notifications", "inventory"]


def worker(
    queue: Annotated[
        list[str], typer.Option(help="Task queue to work on; may be given more than once.")
    ] = _EVERY_QUEUE,
) -> None:
    """Work on one or more Temporal task queues. SIGTERM lets running activities finish first."""
    run(queue)
