"""Where words are left behind: every column of every table, every Temporal history, every file of a folder."""

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowExecution

from tests.support.histories import clear_text

_COLUMNS = text("""
SELECT table_name, column_name, data_type = 'bytea' AS raw FROM information_schema.columns
WHERE table_schema = 'public' ORDER BY table_name, ordinal_position
""")


async def in_tables(engine: AsyncEngine, words: Iterable[str]) -> set[str]:
    """Name the columns that hold one of the words, in whatever type, however it is written."""
    found = set()
    async with engine.connect() as connection:
        for table, column, raw in await connection.execute(_COLUMNS):
            value = f"encode(\"{column}\", 'escape')" if raw else f'"{column}"::text'
            hit = f'SELECT 1 FROM "{table}" WHERE lower({value}) LIKE ANY(:words) LIMIT 1'
            patterns = [f"%{word.lower()}%" for word in words]
            if (await connection.execute(text(hit.replace("::", "\\:\\:")), {"words": patterns})).first():
                found.add(f"{table}.{column}")
    return found


async def in_histories(client: Client, words: Iterable[str]) -> set[str]:
    """Name the workflows whose history, memo, search attributes or summary hold one of the words."""
    found = set()
    async for execution in client.list_workflows(""):
        said = await said_by(client, execution)
        if any(word.lower() in said.lower() for word in words):
            found.add(execution.id)
    return found


async def said_by(client: Client, execution: WorkflowExecution) -> str:
    """Read all that Temporal keeps of a workflow: its history, memo, search attributes and summary."""
    handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
    return clear_text(await handle.fetch_history()) + str((await handle.describe()).raw_description)


def in_folder(folder: Path, words: Iterable[str]) -> set[str]:
    """Name the files that hold one of the words."""
    return {
        file.name
        for file in folder.rglob("*")
        if file.is_file() and any(word.lower() in file.read_text(errors="replace").lower() for word in words)
    }
