"""A product CSV into the catalogue, in one transaction: all of it is there at its end, or nothing."""

import asyncio
import os
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from db import stocking
from db.engine import create_engine, create_sessions
from db.imports import applying, files, staging
from db.imports.applying import ImportCounts
from db.imports.files import ImportRow, NewImport
from domain.merchandise import FileRefusedError, ImportState, Place, Refusal
from models.columns import new_id
from providers.shopify.products import ProductFile

ACTOR = "system"
"""Who has changed prices and received stock, as their histories say."""

_LISTED = 1_000
_TURN = 0.2


class Watches(Protocol):
    """Is told how an import goes on."""

    def read(self, done: int, total: int) -> None:
        """Show how many bytes were read."""

    def waits(self) -> None:
        """Show that somebody else fills the shop."""

    def written(self, done: int, total: int) -> None:
        """Show how many products were written."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How a file is to be taken. `dry_run` does everything, and keeps nothing of it."""

    currency: str
    location: str
    skip_refused: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What came of a file: `counts` are None where it was refused. At most so many refusals are listed one by one."""

    refused: int
    refusals: tuple[Refusal, ...]
    ignored_columns: tuple[str, ...]
    counts: ImportCounts | None = None


async def import_file(path: Path, database_url: str, options: ImportOptions, watch: Watches) -> ImportReport:
    """Take a file over.

    Raises:
        NotFoundError: there is no such location.
    """
    engine = create_engine(database_url, pool_size=1, application="everorder-import")
    try:
        async with create_sessions(engine)() as session:
            with path.open("rb") as file:
                report = await _import(session, file, options, watch)
            if report.counts is not None and not options.dry_run:
                await session.commit()
            return report
    finally:
        await engine.dispose()


async def _import(session: AsyncSession, file: BufferedReader, options: ImportOptions, watch: Watches) -> ImportReport:
    try:
        products = ProductFile(file, options.currency)
    except FileRefusedError as error:
        return ImportReport(1, (error.refusal,), ())
    import_id = await _begin(session, file, products, options)
    counts = None
    if await _read(session, import_id, products, watch) is ImportState.APPLYING:
        counts = await _apply(session, import_id, watch)
    row, refusals = await _row(session, import_id), await files.refusals(session, import_id, limit=_LISTED)
    return ImportReport(row.refused, tuple(files.told(refusals)), row.ignored_columns, counts)


async def _begin(session: AsyncSession, file: BufferedReader, products: ProductFile, options: ImportOptions) -> UUID:
    wanted = NewImport(
        id=new_id(),
        currency=options.currency,
        location=options.location,
        actor=ACTOR,
        skip_refused=options.skip_refused,
    )
    await files.create(session, wanted, ImportState.READING)
    await files.note_received(session, wanted.id, os.fstat(file.fileno()).st_size)
    await files.note_ignored(session, wanted.id, products.ignored)
    return wanted.id


async def _read(session: AsyncSession, import_id: UUID, products: ProductFile, watch: Watches) -> ImportState:
    size = (await _row(session, import_id)).size_bytes
    end, fatal = Place(0, 0), False
    for batch in staging.batches(products.passages()):
        end = await staging.add(session, import_id, end, batch)
        fatal = batch[-1].fatal
        watch.read(end.offset, size)
    return await staging.end(session, import_id, fatal=fatal)


async def _apply(session: AsyncSession, import_id: UUID, watch: Watches) -> ImportCounts | None:
    while not await stocking.take_turn(session):
        watch.waits()
        await asyncio.sleep(_TURN)
    row = await _row(session, import_id)

    async def progress(done: int) -> None:
        watch.written(done, row.products)

    return await applying.apply(session, row, progress)


async def _row(session: AsyncSession, import_id: UUID) -> ImportRow:
    row = await files.find(session, import_id)
    assert row is not None  # noqa: S101 - this transaction has made it
    return row
