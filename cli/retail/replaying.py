"""A day of invoices through the API, several at a time."""

import asyncio
from collections.abc import Callable, Iterator
from time import monotonic

from cli.errors import CommandError
from cli.retail.day import RetailDay
from cli.retail.http import Api, connected
from cli.retail.invoices import Invoice
from cli.retail.outcome import Failure, ReplayReport, Tally
from cli.retail.placing import NotPlacedError, Placed, place
from cli.retail.target import Shop

Progress = Callable[[Placed | Failure], None]
PATIENCE = 120.0
"""Seconds without a step forward after which an invoice is given up."""


def _no_progress(_: Placed | Failure) -> None:
    pass


async def replay(
    day: RetailDay,
    *,
    api_url: str,
    token: str,
    concurrency: int = 8,
    on_progress: Progress = _no_progress,
    patience: float = PATIENCE,
) -> ReplayReport:
    """Make every invoice of a day an order, `concurrency` of them at a time. A second replay places nothing twice.

    Raises:
        CommandError: the API does not accept the token.
    """
    async with connected(Shop(api_url, token), concurrency) as api:
        return await replay_through(api, day, concurrency, on_progress, patience)


async def replay_through(
    api: Api, day: RetailDay, concurrency: int, on_progress: Progress = _no_progress, patience: float = PATIENCE
) -> ReplayReport:
    """Replay a day through a client that is open already; else as `replay`."""
    tally = Tally()
    invoices = day.invoices()
    started = monotonic()
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(_work(api, invoices, tally, on_progress, patience))
    except* CommandError as errors:
        refusal = errors.exceptions[0]
    else:
        return tally.report(day, monotonic() - started)
    raise refusal


async def _work(api: Api, invoices: Iterator[Invoice], tally: Tally, on_progress: Progress, patience: float) -> None:
    """Take the next invoice until there is none left; all workers take from the same day."""
    for invoice in invoices:
        outcome = await _outcome(api, invoice, patience)
        tally.count(invoice, outcome)
        on_progress(outcome)


async def _outcome(api: Api, invoice: Invoice, patience: float) -> Placed | Failure:
    try:
        return await place(api, invoice, patience)
    except NotPlacedError as error:
        return Failure(invoice.number, str(error))
