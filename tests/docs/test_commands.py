"""Every command in the documents works as it stands there, in its order, and shows what the document shows."""

from pathlib import Path

import pytest

from tests.docs.conftest import Reader
from tests.docs.documents import DOCUMENTS, ROOT, missing, steps

EXECUTED = [document for document in DOCUMENTS if steps(document)]
_LONG = {"operations.md"}
"""Documents whose commands take minutes, which `make proof` executes."""

_NEXT = "--8<-- next step --8<--"


def test_the_documents_that_show_commands_are_executed() -> None:
    assert {document.relative_to(ROOT).as_posix() for document in EXECUTED} >= {"README.md", "docs/operations.md"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "document",
    [pytest.param(one, id=one.name, marks=[pytest.mark.proof] if one.name in _LONG else []) for one in EXECUTED],
)
def test_commands_work_and_show_what_the_document_shows(reader: Reader, document: Path) -> None:
    """One shell runs the whole document, so that what one block sets the next one has."""
    told = steps(document)
    done = reader.run(f"\necho '{_NEXT}'\n".join(step.commands for step in told))
    outputs = done.stdout.split(f"{_NEXT}\n")
    for step, output in zip(told, outputs, strict=False):
        absent = missing(step, output)
        assert absent is None, f"not shown: {absent}\nby:\n{step.commands}\nbut:\n{output}\n{done.stderr}"
    assert done.returncode == 0, f"failed: {told[len(outputs) - 1].commands}\n{outputs[-1]}\n{done.stderr}"
    assert len(outputs) == len(told)
