"""Why a file can not be read as a day of invoices."""

from pathlib import Path
from typing import NamedTuple

from cli.errors import CommandError

MOST_LISTED = 20
"""More problems than these are the same mistake again: reading stops."""


class Problem(NamedTuple):
    """What is wrong, and where: `line` is the line of the file, counted from 1."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


class FileRefusedError(CommandError):
    """The file is not a day of invoices; nothing of it was used."""

    def __init__(self, path: Path, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n  ".join((f"{path} is refused, nothing was done", *map(str, problems))))
