"""How a command finds the stack that runs in this folder, so that `everorder audit` just works beside `make run`."""

import contextlib
import os
from pathlib import Path

from dotenv import dotenv_values

from cli.stack import json_file
from cli.stack.folder import DataFolder

DEFAULT_FOLDER = Path(".everorder")


def join_running_stack() -> None:
    """Take the addresses of the stack in `.everorder`, unless the environment or `.env` names a database."""
    told = {*os.environ, *dotenv_values(".env")}
    if told & {"DATABASE_URL", "EVERORDER_DATABASE_URL"}:
        return
    with contextlib.suppress(PermissionError):  # somebody else's stack
        for name, value in json_file.read(DataFolder(DEFAULT_FOLDER).environment).items():
            os.environ.setdefault(name, str(value))
