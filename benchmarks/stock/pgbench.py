"""The same statement without us: PostgreSQL's own pgbench, with it prepared, over as many connections."""

import asyncio
import os
import re
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.errors import BenchError
from benchmarks.stock.goods import BASKET, BUYERS, HOT, ORDER_PREFIX, ORDERS_A_BUYER, OTHERS, Crowd
from cli.stack import cluster
from db.allocation import HOLD

_SHELF = OTHERS // BASKET
_ORDER = f"CAST('{ORDER_PREFIX}' || lpad(to_hex(CAST(:n AS bigint)), 12, '0') AS uuid)"
_PICKED = ", ".join(f"'SKU-' || CAST(:sku_{shelf} AS text)" for shelf in range(BASKET))
_SKUS = {Crowd.HOT: f"ARRAY['{HOT}']", Crowd.MANY: f"ARRAY[{_PICKED}]"}
_LINES = {Crowd.HOT: 1, Crowd.MANY: BASKET}


def script(crowd: Crowd) -> str:
    """Write what a client of pgbench does: its next order, one SKU off each shelf, the statement of the product."""
    statement = HOLD.text.replace(":order_id", _ORDER).replace(":skus", _SKUS[crowd])
    statement = statement.replace(":quantities", f"array_fill(1, ARRAY[{_LINES[crowd]}])")
    shelves = range(BASKET if crowd is Crowd.MANY else 0)
    picks = [f"\\set sku_{shelf} random({shelf * _SHELF + 1}, {(shelf + 1) * _SHELF})" for shelf in shelves]
    lines = ["\\set i :i + 1", f"\\set n :client_id * {ORDERS_A_BUYER} + :i", *picks, f"{statement};"]
    return "\n".join(lines) + "\n"


async def run(url: str, crowd: Crowd, seconds: float, folder: Path) -> float:
    """Return how many holds a second pgbench makes.

    Raises:
        BenchError: there is no pgbench, or it failed.
    """
    program = cluster.programs() / "pgbench"
    if not program.exists():
        raise BenchError("this build of PostgreSQL has no pgbench")
    file = folder / f"{crowd.name}.sql"
    file.write_text(script(crowd))
    address = urlsplit(url)
    command = (
        *(str(program), "--no-vacuum", "--protocol=prepared", f"--client={BUYERS}", "--jobs=2", "--define=i=-1"),
        *(f"--time={seconds:.0f}", f"--file={file}", f"--host={address.query.removeprefix('host=')}"),
        *(f"--username={address.username}", address.path.removeprefix("/")),
    )
    environment = os.environ | {"PGPASSWORD": address.password or "", "PGOPTIONS": "-c jit=off"}
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT, env=environment)
    said = (await process.communicate())[0].decode(errors="replace")
    rate = re.search(r"^tps = ([0-9.]+) \(without", said, re.MULTILINE)
    if process.returncode or rate is None:
        raise BenchError(f"pgbench failed: {said[-500:]}")
    return float(rate[1])
