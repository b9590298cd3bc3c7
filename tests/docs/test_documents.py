"""The documents agree with the code and with each other."""

import re
from pathlib import Path

import pytest

from cli.docs import PARTS, renewed
from sandbox.cards import CARDS
from tests.docs.documents import DOCUMENTS, ROOT, anchors, links

_NAMED_TESTS = re.compile(r"\[[^\]]+\]\((?P<file>[^)]*tests/[^)]+\.py)\)(?P<tests>(?:,? *`test_\w+`)+)")
_FOREIGN = re.compile(
    r"\b(?:TODO|FIXME|XXX)\b|pypi\.org|npmjs|docker\.io|ghcr\.io|registry\.|/work/|/root/|localhost:\d"
)


def relative(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_printed_parts_say_what_the_code_says(document: Path) -> None:
    assert renewed(document) == document.read_text(encoding="utf-8"), "print it anew: .venv/bin/everorder docs"


def test_every_part_that_can_be_printed_is_asked_for() -> None:
    written = "".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
    assert [name for name in PARTS if f"<!-- begin: {name} -->" not in written] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_links_lead_somewhere(document: Path) -> None:
    lost = []
    for link in links(document):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_tests_that_a_document_names_exist(document: Path) -> None:
    for match in _NAMED_TESTS.finditer(document.read_text(encoding="utf-8")):
        source = (document.parent / match["file"]).read_text(encoding="utf-8")
        for name in re.findall(r"`(test_\w+)`", match["tests"]):
            assert re.search(rf"def {name}\(", source), f"{match['file']} has no {name}"


def test_the_readme_names_tests() -> None:
    named = _NAMED_TESTS.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(named) > 10


def test_every_point_of_the_page_on_security_names_tests_but_the_one_that_has_none() -> None:
    parts = re.split(r"^## ", (ROOT / "docs/security.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    points = [part for part in parts if part.startswith("API")]
    assert len(points) == 10
    assert [part.partition(":")[0] for part in points if not _NAMED_TESTS.search(part)] == ["API7"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_cards_to_try_it_with_are_known_to_the_sandbox(document: Path) -> None:
    assert set(re.findall(r"\bpm_card_\w+", document.read_text(encoding="utf-8"))) - set(CARDS) == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_nothing_is_unfinished_and_nothing_is_of_this_machine(document: Path) -> None:
    assert _FOREIGN.findall(document.read_text(encoding="utf-8")) == []


def test_every_document_is_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        document = waiting.pop()
        reached.add(document)
        for link in links(document):
            target = (document.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target.exists() and target not in reached:
                waiting.append(target)
    assert [relative(document) for document in DOCUMENTS if document not in reached] == []
