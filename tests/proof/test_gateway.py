"""The tests of the API once more, through nginx, with every service in processes of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.gateway import nginx_program

pytestmark = [pytest.mark.proof, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
_RAN = re.compile(r"through the gateway: (?P<kept>\d+) tests; not: (?P<left>.*)")


def test_services_behind_the_gateway_are_the_api_that_one_process_is() -> None:
    nginx_program()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/api", "-q", "-p", "no:cacheprovider"],
        cwd=ROOT,
        env={**os.environ, "EVERORDER_TESTS_THROUGH_GATEWAY": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=850,
    )
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    ran = _RAN.search(done.stdout)
    assert ran is not None
    assert int(ran["kept"]) > 500, ran[0]
