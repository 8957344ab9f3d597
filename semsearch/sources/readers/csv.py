"""Comma-, semicolon- and tab-separated values: each row as `header: value` pairs, with the line it begins in."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder
from semsearch.sources.readers.text import decode, decoded_lines
from semsearch.sources.table_writer import TableWriter

_SEPARATOR_LINE = re.compile(r"\ufeff?sep=(.)\r?\n", re.IGNORECASE)
_DELIMITERS = ",;\t|"
_ROWS_A_PIECE = 20_000
_LONGEST_FIELD = 10_000_000


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
    rows = csv.reader(lines, delimiter=declared.group(1) if declared else _delimiter(sample))
    skipped = line - 1
    for row in rows:
        table.row(row, line)
        line, written = rows.line_num + 1 + skipped, written + 1
        if written == size:
            yield builder.document(metadata)
            written = 0
            builder = table.continue_in(DocumentBuilder(type_name))
    table.end()
    yield builder.document(metadata)


def _delimiter(sample: str) -> str:
    """The delimiter that splits most of the first lines into the same number of cells, and into many."""
    lines = [line for line in sample.splitlines()[:20] if line.strip()][: -1 if sample.count("\n") > 1 else None]
    best, most = ",", 0
    for delimiter in _DELIMITERS:
        counts = [len(row) for row in csv.reader(lines, delimiter=delimiter)]
        common = max(set(counts), key=counts.count, default=0)
        if common > 1 and counts.count(common) * common > most:
            best, most = delimiter, counts.count(common) * common
    return best
