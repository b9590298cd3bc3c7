"""Taking uploaded files over. How far one was read is committed with what was read: whoever goes on begins there."""

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import BinaryIO
from uuid import UUID

from temporalio import activity

from activities.heartbeats import heartbeats
from activities.ports import Begins, CatalogueFile
from contracts import imports as contract
from contracts.imports import FORGET_IMPORTS, SWEEP_IMPORTS, ImportStanding, RunImport
from db import stocking
from db.engine import Sessions
from db.imports import applying, files, staging
from db.imports.files import ImportOverError, ImportRow
from domain.errors import NotFoundError
from domain.merchandise import FileRefusedError, ImportState

Opens = Callable[[BinaryIO, str], CatalogueFile]
"""Opens a file whose prices are in a currency; raises `FileRefusedError`."""

_TURN = 0.5
_GRACE = timedelta(minutes=1)
_BATCH = 20


class ImportActivities(contract.ImportActivities):
    """Implements imports on PostgreSQL."""

    def __init__(self, sessions: Sessions, opens: Opens) -> None:
        self._sessions = sessions
        self._opens = opens

    @activity.defn(name="imports.read")
    async def read(self, request: RunImport) -> ImportStanding:
        """Read the file, from where it was read to before. It lies in a temporary file of this worker meanwhile."""
        async with heartbeats():
            row = await self._row(request.import_id)
            try:
                if row.state is ImportState.QUEUED:
                    async with self._sessions.begin() as session:
                        await files.move(session, row.id, ImportState.QUEUED, to=ImportState.READING)
                elif row.state is not ImportState.READING:
                    return ImportStanding(row.state)
                with tempfile.TemporaryFile() as file:
                    await self._fetch(row.id, file)
                    return ImportStanding(await self._read(row, file))
            except ImportOverError:
                standing = await self._standing(request)
                if standing.state is ImportState.READING:
                    raise  # another try has not noticed yet that it was given up, and reads as well
                return standing

    @activity.defn(name="imports.apply")
    async def apply(self, request: RunImport) -> ImportStanding:
        """Write what was read in one transaction; whoever else fills the shop is waited for."""
        async with heartbeats():
            with suppress(ImportOverError):  # it was called off, or another worker has done it
                await self._apply(await self._row(request.import_id))
            return await self._standing(request)

    @activity.defn(name="imports.call_off")
    async def call_off(self, request: RunImport) -> ImportStanding:
        """End an import that has not ended."""
        with suppress(ImportOverError):
            async with self._sessions.begin() as session:
                await files.cancel(session, request.import_id)
        return await self._standing(request)

    async def _read(self, row: ImportRow, file: BinaryIO) -> ImportState:
        try:
            products = self._opens(file, row.currency)
        except FileRefusedError as error:
            async with self._sessions.begin() as session:
                await staging.refuse(session, row.id, [error.refusal])
                return await staging.end(session, row.id, fatal=True)
        async with self._sessions.begin() as session:
            await files.note_ignored(session, row.id, products.ignored)
        end = row.read_to
        batches = staging.batches(products.passages(end if end.offset else None))
        while batch := await asyncio.to_thread(next, batches, None):
            async with self._sessions.begin() as session:
                end = await staging.add(session, row.id, end, batch)
                if batch[-1].fatal:
                    return await staging.end(session, row.id, fatal=True)
        async with self._sessions.begin() as session:
            return await staging.end(session, row.id, fatal=False)

    async def _fetch(self, import_id: UUID, file: BinaryIO) -> None:
        async with self._sessions() as session:
            n = 0
            while (content := await files.chunk(session, import_id, n)) is not None:
                file.write(content)
                n += 1

    async def _apply(self, row: ImportRow) -> None:
        async def progress(done: int) -> None:
            async with self._sessions.begin() as session:
                await files.note_applied(session, row.id, done)

        async with self._sessions.begin() as session:
            while not await stocking.take_turn(session):
                await progress(0)
                await asyncio.sleep(_TURN)
            await progress(0)
            await applying.apply(session, row, progress)

    async def _row(self, import_id: UUID) -> ImportRow:
        async with self._sessions() as session:
            row = await files.find(session, import_id)
        if row is None:
            raise NotFoundError("no such import")
        return row

    async def _standing(self, request: RunImport) -> ImportStanding:
        return ImportStanding((await self._row(request.import_id)).state)


class ImportChores:
    """Begins imports that nobody has begun, and deletes the files of those that ended; `kept` is for how long."""

    def __init__(self, sessions: Sessions, imports: Begins, kept: timedelta) -> None:
        self._sessions = sessions
        self._imports = imports
        self._kept = kept

    @activity.defn(name=SWEEP_IMPORTS)
    async def sweep(self) -> int:
        """Begin the imports that have not ended; return how many they were. One that is under way is left alone."""
        async with heartbeats():
            async with self._sessions() as session:
                due = await files.due(session, _BATCH, grace=_GRACE)
            for import_id in due:
                await self._imports.begin(import_id)
        return len(due)

    @activity.defn(name=FORGET_IMPORTS)
    async def forget(self) -> int:
        """Delete files whose import ended long ago, a few a transaction; return how many they were."""
        forgotten = 0
        async with heartbeats():
            while True:
                async with self._sessions.begin() as session:
                    emptied = await files.empty(session, kept=self._kept, most=_BATCH)
                forgotten += emptied
                if emptied < _BATCH:
                    return forgotten
