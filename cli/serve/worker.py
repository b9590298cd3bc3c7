"""`everorder worker`: a process that works on Temporal task queues."""

from typing import Annotated

import typer

from contracts.queues import TaskQueue
from workers.main import run
from workers.wiring import WORK


def worker(
    queue: Annotated[
        list[TaskQueue] | None, typer.Option(help="Task queue to work on; may be repeated. None: every one.")
    ] = None,
) -> None:
    """Work on one or more Temporal task queues. SIGTERM lets running activities finish first."""
    idle = [name for name in queue or () if name not in WORK]
    if idle:
        raise typer.BadParameter(f"nothing is ever queued on {', '.join(idle)} yet", param_hint="--queue")
    run(queue or ())
