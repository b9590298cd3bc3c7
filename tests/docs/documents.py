"""The documents of the repository, and what tests need to know of Markdown."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_BLOCK = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<content>.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (?P<title>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, whether it is marked `norun`, and what stands in it."""

    language: str
    marks: tuple[str, ...]
    content: str


@dataclass(frozen=True)
class Step:
    """Commands, and the lines that the document shows of their output."""

    commands: str
    shows: tuple[str, ...]


def blocks(document: Path) -> list[Block]:
    found = []
    for match in _BLOCK.finditer(document.read_text(encoding="utf-8")):
        language, *marks = match["info"].split() or [""]
        found.append(Block(language, tuple(marks), match["content"]))
    return found


def steps(document: Path) -> list[Step]:
    """List the `sh` blocks that are not marked `norun`, each with the `text` or `json` block that follows it."""
    found = []
    listed = [*blocks(document), Block("", (), "")]
    for block, after in pairwise(listed):
        if block.language == "sh" and "norun" not in block.marks:
            shown = after.content if after.language in {"text", "json"} else ""
            found.append(Step(block.content, tuple(line.strip() for line in shown.splitlines() if line.strip())))
    return found


def links(document: Path) -> Iterator[str]:
    for match in _LINK.finditer(_BLOCK.sub("", document.read_text(encoding="utf-8"))):
        yield match["target"]


def anchors(document: Path) -> set[str]:
    """Name the headings of a document as a link does."""
    titles = [match["title"] for match in _HEADING.finditer(_BLOCK.sub("", document.read_text(encoding="utf-8")))]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def shows(line: str, output: str) -> bool:
    """Tell whether a line of output is what the document shows: `…` stands for anything, spaces for any space."""
    wanted = ".*".join(re.escape(part) for part in " ".join(line.split()).split("…"))
    return re.fullmatch(wanted, " ".join(output.split())) is not None


def missing(step: Step, output: str) -> str | None:
    """Return the first line that the document shows and the output does not have, in this order."""
    lines = iter(output.splitlines())
    for wanted in step.shows:
        if not any(shows(wanted, line) for line in lines):
            return wanted
    return None
