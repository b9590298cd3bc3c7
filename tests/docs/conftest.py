"""A folder as a reader of the documents has it: `.venv`, and a stack that runs in `.everorder`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.stack import running_stack


@dataclass(frozen=True)
class Reader:
    """Runs what a document says, with its addresses exchanged for those of the stack that runs here."""

    folder: Path
    addresses: dict[str, str]

    def run(self, script: str) -> "subprocess.CompletedProcess[str]":
        for written, actual in self.addresses.items():
            script = script.replace(written, actual)
        settings = ("DATABASE_URL", "TEMPORAL_", "EVERORDER_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(settings)}
        own = {"TEMPORAL_ADDRESS": self.addresses["127.0.0.1:7233"], "NO_PROXY": "127.0.0.1", "COLUMNS": "160"}
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env={**inherited, **own},
            capture_output=True,
            text=True,
            check=False,
            timeout=220,
        )


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    folder = tmp_path_factory.mktemp("reader")
    (folder / ".venv").symlink_to(sys.prefix)
    with running_stack(folder / ".everorder") as stack:
        yield Reader(
            folder,
            {
                "127.0.0.1:8000": stack.api_url.removeprefix("http://"),
                "127.0.0.1:7233": str(stack.told["temporal_address"]),
                "127.0.0.1:8233": str(stack.told["ui_url"]).removeprefix("http://"),
            },
        )
