"""From the bytes of a file to its records, one at a time: a file of any size takes the memory of one record."""

import csv
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from domain.merchandise import FileRefusedError, Place, Refusal

_LONGEST_LINE = 262_144
_LARGEST_RECORD = 1_048_576
_LARGEST_CELL = 131_072
"""What Python's reader takes by itself, in characters. `csv.field_size_limit` belongs to the process: left alone."""

_BEGIN = Place(0, 0)
_BOM = b"\xef\xbb\xbf"


class Record(NamedTuple):
    """One row of the table: its cells, the line on which it begins, and where it ends."""

    line: int
    cells: list[str]
    end: Place


class _UnreadableError(Exception):
    """A line is no text; raised through the reader of the table, which knows no other way to end."""

    def __init__(self, line: int, reason: str) -> None:
        self.refusal = Refusal(line, reason)
        super().__init__(reason)


class _Lines:
    """Decodes lines one by one, so that what is not text has a line number, and counts what was handed out."""

    def __init__(self, file: BinaryIO, begin: Place) -> None:
        self._file = file
        self.at = begin
        self.record = begin

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._file.readline(_LONGEST_LINE + 1)
        if not line:
            raise StopIteration
        number = self.at.line + 1
        if len(line) > _LONGEST_LINE:
            raise _UnreadableError(number, f"is longer than {_LONGEST_LINE} bytes")
        if b"\0" in line:
            raise _UnreadableError(number, "holds a NUL byte")
        self.at = Place(self.at.offset + len(line), number)
        if self.at.offset - self.record.offset > _LARGEST_RECORD:
            raise _UnreadableError(self.record.line + 1, f"a row of more than {_LARGEST_RECORD} bytes begins here")
        if self.at.offset == len(line):
            line = line.removeprefix(_BOM)
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError:
            raise _UnreadableError(number, "is not UTF-8") from None


def records(file: BinaryIO, begin: Place = _BEGIN) -> Iterator[Record]:
    """Read a table of comma separated values (RFC 4180), UTF-8 with or without a byte order mark, from a place on.

    Empty lines are passed over. The file stands at the place already.

    Raises:
        FileRefusedError: what follows can not be read: it is no text, too large, or its quotes do not end.
    """
    lines = _Lines(file, begin)
    table = csv.reader(lines, strict=True)
    while True:
        lines.record = lines.at
        line = lines.at.line + 1
        try:
            cells = next(table, None)
        except _UnreadableError as error:
            raise FileRefusedError(error.refusal) from None
        except csv.Error as error:
            raise FileRefusedError(_told(line, error)) from None
        if cells is None:
            return
        if cells:
            yield Record(line, cells, lines.at)


def _told(line: int, error: csv.Error) -> Refusal:
    said = str(error)
    if said.startswith("field larger"):
        return Refusal(line, f"a cell has more than {_LARGEST_CELL} characters")
    if said == "unexpected end of data":
        return Refusal(line, "the file ends within a quoted cell of this row")
    return Refusal(line, f"is no comma separated row: {said}")
