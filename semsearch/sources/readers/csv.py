"""Comma-, semicolon- and tab-separated values: each row as `header: value` pairs, each word with its line."""

import csv
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder
from semsearch.sources.readers.text import decode, decoded_lines
from semsearch.sources.table_writer import TableWriter

_SEPARATOR_LINE = re.compile(r"\ufeff?sep=(.)\r?\n", re.IGNORECASE)
_DELIMITERS = ",;\t|"
_ROWS_A_PIECE = 20_000
_LONGEST_FIELD = 10_000_000
# No text in a cell has more lines; a quotation mark that is not the beginning of one may be followed by any number.
_MOST_LINES = 10_000


def read(data: bytes, type_name: str) -> Document:
    """All rows of `data` as one document."""
    text, metadata = decode(data)
    return next(_documents(io.StringIO(text), text[:20_000], type_name, metadata, None))


def read_pieces(file: BinaryIO, type_name: str) -> Iterator[Document]:
    """The rows of `file`, 20,000 in a document, all with the header of the first rows."""
    lines, sample, metadata = decoded_lines(file)
    yield from _documents(lines, sample, type_name, metadata, _ROWS_A_PIECE)


def _documents(
    lines: Iterable[str], sample: str, type_name: str, metadata: dict[str, object], size: int | None
) -> Iterator[Document]:
    builder = DocumentBuilder(type_name)
    table = TableWriter(builder)
    csv.field_size_limit(_LONGEST_FIELD)
    lines = iter(lines)
    line, written = 1, 0
    declared = _SEPARATOR_LINE.match(sample)
    if declared:
        next(lines, None)  # how Excel is told the delimiter
        line = 2
    for row in _Rows(lines, declared.group(1) if declared else _delimiter(sample)):
        table.row(row.cells, line, has_lines=row.lines > 1)
        line, written = line + row.lines, written + 1
        if written == size:
            yield builder.document(metadata)
            written = 0
            builder = table.continue_in(DocumentBuilder(type_name))
    table.end()
    yield builder.document(metadata)


class _Row(NamedTuple):
    """The cells of a row that takes up so many `lines`."""

    cells: list[str]
    lines: int


class _Rows:
    """The rows in `lines`. A quotation mark that begins no quoted cell takes no other rows into its own."""

    def __init__(self, lines: Iterator[str], delimiter: str) -> None:
        self._lines = lines
        self._delimiter = delimiter
        self._again: deque[str] = deque()
        self._width = 0

    def __iter__(self) -> Iterator[_Row]:
        while (first := self._next_line()) is not None:
            taken = [first]
            if '"' not in first or self._is_stray(cells := self._parsed(self._continued(taken)), taken):
                # Lines taken for a stray mark are read again.
                self._again.extendleft(reversed(taken[1:]))
                cells, taken = first.rstrip("\n").split(self._delimiter), [first]
            self._width = len(cells)
            yield _Row(cells, len(taken))

    def _next_line(self) -> str | None:
        return self._again.popleft() if self._again else next(self._lines, None)

    def _continued(self, taken: list[str]) -> Iterator[str]:
        """The line in `taken`, and those after it, which are put there, too."""
        yield taken[0]
        while len(taken) < _MOST_LINES and (line := self._next_line()) is not None:
            taken.append(line)
            yield line

    def _parsed(self, lines: Iterable[str], *, strict: bool = False) -> list[str]:
        """The first row of `lines`; empty where a cell is too long, or if `strict` is no correct one."""
        try:
            return next(csv.reader(lines, delimiter=self._delimiter, strict=strict), [])
        except csv.Error:
            return []

    def _is_stray(self, cells: list[str], taken: list[str]) -> bool:
        """Whether the lines `taken`, read as a row of `cells`, are several rows, with a stray mark in the first."""
        if len(taken) == 1:
            return not cells
        if not self._parsed(taken, strict=True):
            return True  # the cell does not end, or something stands behind its end
        # Lines that are rows by themselves. In a text commas are now here, now there; tabs are nowhere.
        alone = taken if self._delimiter == "\t" else taken[1:-1]
        if len(alone) < 2 or self._width < 2:
            return False
        return all(line.count(self._delimiter) + 1 == self._width for line in alone)


def _delimiter(sample: str) -> str:
    """The delimiter that splits most of the first lines into the same number of cells, and into many."""
    lines = [line for line in sample.splitlines()[:20] if line.strip()][: -1 if sample.count("\n") > 1 else None]
    best, most = ",", 0
    for delimiter in _DELIMITERS:
        counts = [len(row) for row in csv.reader(lines, delimiter=delimiter)]
        if delimiter == "\t" and len(counts) < len(lines):
            # In tab-separated values a quotation mark is often no more than that.
            counts = [line.count(delimiter) + 1 for line in lines]
        common = max(set(counts), key=counts.count, default=0)
        if common > 1 and counts.count(common) * common > most:
            best, most = delimiter, counts.count(common) * common
    return best
