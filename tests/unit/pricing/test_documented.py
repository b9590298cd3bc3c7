"""The worked examples of docs/pricing.md come out as they are written there."""

import doctest
from pathlib import Path

DOCUMENT = Path(__file__).parents[3] / "docs" / "pricing.md"


def test_examples_come_out_as_they_are_documented() -> None:
    outcome = doctest.testfile(str(DOCUMENT), module_relative=False, optionflags=doctest.REPORT_NDIFF)

    assert outcome.failed == 0
    assert outcome.attempted > 20
