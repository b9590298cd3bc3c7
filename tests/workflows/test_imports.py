"""Imports of uploaded files, with a real Temporal and a real database."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import BinaryIO
from uuid import UUID

import pytest
from sqlalchemy import text
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.testing import ActivityEnvironment

from activities.imports import ImportChores
from clients.imports import ImportClient
from contracts.imports import import_workflow_id
from contracts.queues import TaskQueue
from db import stocking
from db.imports import files, staging
from db.imports.files import ImportRow, NewImport
from domain.merchandise import ImportState, Passage, Place
from models.columns import new_id
from providers.shopify.products import ProductFile
from tests.support.shopify import Cells, content, plain
from tests.support.world import World
from workers.wiring import inventory_work

PIECE = 1_000


async def uploaded(world: World, data: bytes, *, skip_refused: bool = False) -> UUID:
    """Keep a file in pieces, as an upload does."""
    import_id = new_id()
    async with world.sessions.begin() as session:
        await files.create(session, NewImport(import_id, "GBP", "main", "test", skip_refused))
        for n, begin in enumerate(range(0, len(data), PIECE)):
            await files.add_chunk(session, import_id, n, data[begin : begin + PIECE])
        await files.note_received(session, import_id, len(data))
    return import_id


async def standing(world: World, import_id: UUID) -> ImportRow:
    async with world.sessions() as session:
        row = await files.find(session, import_id)
    assert row is not None
    return row


async def reasons(world: World, import_id: UUID) -> list[str]:
    async with world.sessions() as session:
        return [str(refusal) for refusal in files.told(await files.refusals(session, import_id, limit=100))]


async def shown(world: World, *slugs: str) -> list[str]:
    rows = await world.shop.run("SELECT slug FROM products WHERE slug = ANY (:slugs) ORDER BY slug", slugs=[*slugs])
    return [str(row[0]) for row in rows]


def things(first: int, count: int) -> list[Cells]:
    return [plain(number) for number in range(first, first + count)]


async def ended(world: World, import_id: UUID) -> ImportRow:
    await ImportClient(world.temporal).begin(import_id)
    await world.temporal.get_workflow_handle(import_workflow_id(import_id)).result()
    return await standing(world, import_id)


async def test_an_uploaded_file_is_imported_once_however_often_it_is_begun(world: World) -> None:
    import_id = await uploaded(world, content(*things(10_000, 30), columns=["Cost per item"]))
    client = ImportClient(world.temporal)
    async with world.working():
        await asyncio.gather(*(client.begin(import_id) for _ in range(5)))
        row = await ended(world, import_id)
        again = await ended(world, import_id)
    assert (row.state, row.products, row.applied, row.refused) == (ImportState.DONE, 30, 30, 0)
    assert row.outcome is not None
    assert (row.outcome["new_products"], row.outcome["unchanged_products"]) == (30, 0)
    assert row.ignored_columns == ("Cost per item",)
    assert row.read_to == Place(row.size_bytes, 31)
    assert again == row
    assert await world.shop.run("SELECT n FROM import_products WHERE import_id = :id", id=import_id) == []
    assert await world.shop.run("SELECT DISTINCT actor FROM price_changes WHERE sku LIKE 'THING-100__' ORDER BY 1") == [
        ("test",)
    ]


async def test_a_refused_file_changes_nothing_and_says_why(world: World) -> None:
    rows = [*things(11_000, 3), plain(11_003, **{"Gift Card": "true"})]
    import_id = await uploaded(world, content(*rows))
    async with world.working():
        row = await ended(world, import_id)
    assert (row.state, row.products, row.refused, row.outcome) == (ImportState.REFUSED, 3, 1, None)
    assert await reasons(world, import_id) == ["line 5: gift cards are not sold here"]
    assert await shown(world, "thing-11000", "thing-11003") == []


async def test_what_is_refused_can_be_left_out(world: World) -> None:
    rows = [*things(12_000, 2), plain(12_002, **{"Gift Card": "true"}), plain(12_003, **{"Variant SKU": "THING-12000"})]
    import_id = await uploaded(world, content(*rows), skip_refused=True)
    async with world.working():
        row = await ended(world, import_id)
    assert (row.state, row.refused) == (ImportState.DONE, 2)
    assert await shown(world, *(f"thing-{number}" for number in range(12_000, 12_004))) == [
        "thing-12000",
        "thing-12001",
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"Name;Price\n", "line 1: this is no product CSV of Shopify: no column Handle"),
        (content(plain(1))[:-40], "line 2: has 7 of 10 cells: the file was cut here, or a quote is wrong"),
        (content(plain(1, Title="caf\u00e9")).decode().encode("latin-1"), "line 2: is not UTF-8"),
    ],
)
async def test_a_file_that_can_not_be_read_is_refused(world: World, data: bytes, reason: str) -> None:
    import_id = await uploaded(world, data, skip_refused=True)
    async with world.working():
        row = await ended(world, import_id)
    assert row.state is ImportState.REFUSED
    assert await reasons(world, import_id) == [reason]


class Interrupted(ProductFile):
    """Fails once on the way, as a worker that is killed does, and tells from where it was read after that."""

    begins: list[Place | None]

    def passages(self, begin: Place | None = None) -> Iterator[Passage]:
        self.begins.append(begin)
        for number, passage in enumerate(super().passages(begin), start=1):
            if len(self.begins) == 1 and number > 12:
                raise ConnectionError
            yield passage


async def test_a_worker_that_dies_while_reading_is_followed_by_one_that_goes_on_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "AT_ONCE", 5)
    begins: list[Place | None] = []

    def opens(file: BinaryIO, currency: str) -> ProductFile:
        opened = Interrupted(file, currency)
        opened.begins = begins
        return opened

    import_id = await uploaded(world, content(*things(13_000, 20)))
    work = inventory_work(replace(world.resources, catalogue_file=opens))
    async with world.working({TaskQueue.INVENTORY: work}):
        row = await ended(world, import_id)
    first, second = begins
    assert first is None
    assert second is not None
    assert second.line == 11
    assert (row.state, row.products) == (ImportState.DONE, 20)
    assert len(await shown(world, *(f"thing-{number}" for number in range(13_000, 13_020)))) == 20


async def test_a_worker_that_dies_while_writing_has_written_nothing_and_another_writes_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish, seen = files.finish, []

    async def dies_once(*arguments: object) -> None:
        seen.append(await shown(world, "thing-14000"))
        if len(seen) == 1:
            raise ConnectionError
        await finish(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(files, "finish", dies_once)
    import_id = await uploaded(world, content(*things(14_000, 3)))
    async with world.working():
        row = await ended(world, import_id)
    assert seen == [[], []]
    assert row.state is ImportState.DONE
    assert await shown(world, "thing-14000") == ["thing-14000"]
    assert await world.shop.run("SELECT version FROM products WHERE slug = 'thing-14000'") == [(1,)]


async def test_an_import_that_is_called_off_while_it_writes_leaves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = files.finish

    async def called_off_first(session: object, import_id: UUID, outcome: str) -> None:
        async with world.sessions.begin() as other:
            await files.move(other, import_id, ImportState.APPLYING, to=ImportState.CANCELLED)
        await finish(session, import_id, outcome)  # type: ignore[arg-type]

    monkeypatch.setattr(files, "finish", called_off_first)
    import_id = await uploaded(world, content(*things(15_000, 3)))
    async with world.working():
        row = await ended(world, import_id)
    assert row.state is ImportState.CANCELLED
    assert await shown(world, "thing-15000") == []


async def test_a_cancelled_workflow_calls_its_import_off(world: World) -> None:
    import_id = await uploaded(world, content(*things(16_000, 3)))
    handle = world.temporal.get_workflow_handle(import_workflow_id(import_id))
    async with world.sessions.begin() as somebody, world.working():
        assert await stocking.take_turn(somebody)
        await ImportClient(world.temporal).begin(import_id)
        while (await standing(world, import_id)).state is not ImportState.APPLYING:  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.02)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED
    assert (await standing(world, import_id)).state is ImportState.CANCELLED
    assert await shown(world, "thing-16000") == []


async def test_an_import_waits_while_somebody_else_fills_the_shop(world: World) -> None:
    import_id = await uploaded(world, content(*things(17_000, 3)))
    async with world.working():
        async with world.sessions.begin() as somebody:
            assert await stocking.take_turn(somebody)
            await ImportClient(world.temporal).begin(import_id)
            while (await standing(world, import_id)).state is not ImportState.APPLYING:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)
            assert await shown(world, "thing-17000") == []
        assert (await ended(world, import_id)).state is ImportState.DONE


async def test_what_was_left_behind_is_begun_and_what_ended_long_ago_is_forgotten(world: World) -> None:
    left, done = await uploaded(world, b"Handle,Title\n"), await uploaded(world, b"x")
    async with world.sessions.begin() as session:
        await staging.refuse(session, done, [])
        await session.execute(
            text("UPDATE imports SET created_at = now() - interval '1 hour' WHERE id = :id"), {"id": left}
        )
        await files.move(session, done, ImportState.QUEUED, to=ImportState.CANCELLED)
    begun: list[UUID] = []

    class Begins:
        async def begin(self, id_: UUID, /) -> None:
            begun.append(id_)

    chores = ImportChores(world.sessions, Begins(), kept=timedelta(0))
    await ActivityEnvironment().run(chores.sweep)
    assert (begun.count(left), begun.count(done)) == (1, 0)
    assert await ActivityEnvironment().run(chores.forget) >= 1
    rows = "SELECT import_id FROM import_chunks WHERE import_id = ANY (:ids)"
    assert await world.shop.run(rows, ids=[left, done]) == [(left,)]
    assert not (await standing(world, done)).received
    await world.shop.run("DELETE FROM imports WHERE id = :id", id=left)
