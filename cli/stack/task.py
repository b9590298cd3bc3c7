"""A command that the stack runs to its end while it starts: migrations, the demo catalogue."""

import asyncio
import time
from asyncio.subprocess import DEVNULL, STDOUT
from collections.abc import Mapping
from pathlib import Path

from cli.stack.ending import kill_group
from cli.stack.errors import StackError
from cli.stack.log import last_words, open_log


async def run_to_end(title: str, command: tuple[str, ...], environment: Mapping[str, str], log: Path) -> float:
    """Run a command and return the seconds that it took. When we are cancelled, it is killed.

    Raises:
        StackError: it failed, with its last line.
    """
    began = time.monotonic()
    with open_log(log) as file:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=file, stderr=STDOUT, env=environment, start_new_session=True
        )
    try:
        code = await process.wait()
    finally:
        kill_group(process.pid)
    if code:
        raise StackError(f"{title} failed: {last_words(log).removeprefix('everorder: ')} (see {log})")
    return time.monotonic() - began
