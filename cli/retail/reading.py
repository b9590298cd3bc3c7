"""From the bytes of a file to its lines, one at a time: a file of any size takes the memory of one line."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from cli.retail.problems import Problem
from cli.retail.rows import Columns, MalformedRowError, Row, parse


class _Record(NamedTuple):
    line: int
    cells: list[str]


class _UnreadableLineError(Exception):
    def __init__(self, line: int, reason: str) -> None:
        self.problem = Problem(line, reason)
        super().__init__(reason)


def read(path: Path) -> Iterator[Row | Problem]:
    """Read a file line by line; a line that can not be read is given out as its problem.

    The file is UTF-8, with or without a byte order mark, and begins with the names of its columns.
    """
    columns: Columns | None = None
    with path.open("rb") as file:
        for record in _records(file):
            if isinstance(record, Problem):
                yield record
                continue
            try:
                if columns is None:
                    columns = Columns.of(record.cells)
                else:
                    yield parse(columns.pick(record.cells))
            except MalformedRowError as error:
                yield Problem(record.line, str(error))
                if columns is None:
                    return
    if columns is None:
        yield Problem(1, "the file is empty")


def _records(file: BinaryIO) -> Iterator[_Record | Problem]:
    """Split lines into cells. A record that spans lines has the number of its last; empty lines are passed over."""
    table = csv.reader(_text(file), strict=True)
    while True:
        try:
            cells = next(table)
        except StopIteration:
            return
        except _UnreadableLineError as error:
            yield error.problem
            return
        except csv.Error as error:
            yield Problem(table.line_num, str(error))
        else:
            if cells:
                yield _Record(table.line_num, cells)


def _text(file: BinaryIO) -> Iterator[str]:
    """Decode each line by itself, so that what is not text has a line number."""
    for number, line in enumerate(file, start=1):
        if b"\0" in line:
            raise _UnreadableLineError(number, "holds a NUL byte")
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise _UnreadableLineError(number, "is not UTF-8") from None
