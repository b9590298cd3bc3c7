"""The OpenAPI document is good enough for a generated, typed client to place an order."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.shopper import DECLINED, VISA
from tests.support.stack import RunningStack
from tests.support.world import World

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "tests/openapi_client/place_order.py"
GENERATOR = Path(sys.prefix) / "tools/openapi-client/bin"


def run(*command: object, folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder), "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def client(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generate a client from the document that the running API shows."""
    assert GENERATOR.exists(), f"`make {GENERATOR.parent.relative_to(ROOT)}/.ready` prepares the generator"
    folder = tmp_path_factory.mktemp("client")
    document = httpx2.get(f"{stack.api_url}/openapi.json", trust_env=False, verify=False)
    (folder / "openapi.json").write_bytes(document.content)
    overrides = {"text/csv": "application/octet-stream"}  # to the generator a table is a file as any other
    (folder / "config.yaml").write_text(json.dumps({"post_hooks": [], "content_type_overrides": overrides}))
    generate = [GENERATOR / "openapi-python-client", "generate", "--path", "openapi.json", "--config", "config.yaml"]
    run(*generate, "--meta", "none", "--output-path", "everorder_client", "--fail-on-warning", folder=folder)
    return folder


def placed(client: Path, stack: RunningStack, sku: str, card: str) -> dict[str, Any]:
    python = [GENERATOR / "python", "-W", "error"]
    answer: dict[str, Any] = json.loads(run(*python, PROGRAM, stack.api_url, sku, card, folder=client))
    return answer


async def test_generated_client_places_an_order(client: Path, stack: RunningStack, world: World) -> None:
    sku = await world.goods(stock=10, amount=3000)
    order = placed(client, stack, sku, VISA)
    assert (order["status"], order["total"]) == ("placed", {"amount": 6000, "currency": "GBP"})
    assert await world.stock(sku) == (8, 0)


async def test_generated_client_reads_a_problem_as_such(client: Path, stack: RunningStack, world: World) -> None:
    sku = await world.goods(stock=10, amount=3000)
    problem = placed(client, stack, sku, DECLINED)
    assert (problem["status"], problem["code"]) == (402, "payment_failed")


@pytest.mark.timeout(240)
def test_generated_client_and_a_program_that_uses_it_are_typed(client: Path) -> None:
    """The strictest checks of the type checker, over the whole client and the program above."""
    typed = [sys.executable, "-m", "mypy", "--strict", "--python-executable", GENERATOR / "python"]
    run(*typed, "--config-file", "", "-p", "everorder_client", folder=client)
    run(*typed, "--config-file", "", PROGRAM, folder=client)
