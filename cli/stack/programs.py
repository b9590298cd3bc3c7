"""Everorder's own processes, each started as the command that a deployment would run."""

import os
import sys

from cli.stack import health
from cli.stack.ports import HOST
from cli.stack.process import ProcessSpec
from cli.stack.wiring import Wiring
from contracts.queues import TaskQueue

QUEUES = tuple(TaskQueue)
"""The queues that have work; `workers.wiring.WORK` says what."""


def everorder(*arguments: str) -> tuple[str, ...]:
    """Spell a call of our own command line, whatever the folder and the path hold."""
    return (sys.executable, "-P", "-m", "cli.main", *arguments)


def sandbox(wiring: Wiring) -> ProcessSpec:
    """Describe the payment sandbox."""
    return ProcessSpec(
        name="sandbox",
        title="Payment sandbox",
        command=everorder(
            *("sandbox", "--host", HOST, "--port", str(wiring.sandbox)),
            *("--webhook-url", os.environ.get("EVERORDER_SANDBOX_WEBHOOK_URL", wiring.webhook_url)),
        ),
        environment=wiring.environment(),
        ready=health.answers(f"{wiring.sandbox_url}/healthz"),
        stage=1,
    )


def mail(wiring: Wiring) -> ProcessSpec:
    """Describe the local mail server, which is the SMS gateway as well."""
    maildir = str(wiring.folder.maildir)
    return ProcessSpec(
        name="mail",
        title="Mail server",
        command=everorder(
            *("mail", "--host", HOST, "--port", str(wiring.mail), "--maildir", maildir),
            *("--sms-port", str(wiring.sms)),
        ),
        environment=wiring.environment(),
        ready=health.listens(wiring.mail),
        stage=1,
    )


def api(wiring: Wiring) -> ProcessSpec:
    """Describe the REST API."""
    return ProcessSpec(
        name="api",
        title="REST API",
        command=everorder("api", "--host", HOST, "--port", str(wiring.api)),
        environment=wiring.environment(),
        ready=health.answers(f"{wiring.api_url}/readyz"),
        stage=3,
    )


def worker(wiring: Wiring, queue: TaskQueue) -> ProcessSpec:
    """Describe the worker of one task queue."""
    name = f"worker-{queue}"
    return ProcessSpec(
        name=name,
        title=f"Worker for {queue}",
        command=everorder("worker", "--queue", queue),
        environment=wiring.environment(),
        ready=health.says("worker_started", wiring.folder.log(name)),
        stage=2,
        grace=15.0,  # a worker lets its activities finish for 10 s
    )
