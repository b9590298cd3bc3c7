"""What several proofs share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Name the folder where shops of every size are filled once."""
    return tmp_path_factory.mktemp("catalogue")
