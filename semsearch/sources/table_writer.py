"""Writes the rows of a table as text, each cell with its column's name, so that a row can be understood alone."""

import re
from collections.abc import Mapping, Sequence

from semsearch.sources.document_builder import DocumentBuilder, plain

_YEAR = re.compile(r"(?:1[5-9]|20)\d\d(?:[-/](?:1[5-9]|20)?\d\d)?")


class TableWriter:
    """Takes the rows of one table in order and writes them into `builder`; `is_empty`: there were none yet.

    The header is the first row that fills about as many columns as the others, with short, distinct texts. Rows above
    it (a title, a date) and tables without a header are written without column names.
    """

    # The header is looked for among so many rows.
    _HEADER_ROWS = 10

    def __init__(self, builder: DocumentBuilder) -> None:
        self._builder = builder
        self._header: list[str] | None = None
        self._held: list[tuple[list[str], int]] = []
        self._decided = False
        self.is_empty = True

    def row(self, cells: Sequence[str], number: int) -> None:
        """Adds a row; `number`: that of the row in the sheet, or of the line of the file it begins in, from 1."""
        cleaned = [plain(cell) for cell in cells]
        if not any(cleaned):
            return
        self.is_empty = False
        if self._decided:
            self._write(cleaned, number)
            return
        self._held.append((cleaned, number))
        if len(self._held) == self._HEADER_ROWS:
            self._decide()

    def row_of(self, cells: Mapping[int, str], number: int) -> None:
        """As `row`, of the cells that have a value: column from 0 -> text."""
        if self._header is not None and len(cells) * 8 < max(cells) and max(cells) >= len(self._header):
            # A value far out: the columns before it are not written.
            self.row([cells[column] for column in sorted(cells)], number)
            return
        self.row([cells.get(column, "") for column in range(max(cells) + 1)], number)

    def end(self) -> None:
        """To be called after the last row."""
        if not self._decided:
            self._decide()

    def continue_in(self, builder: DocumentBuilder) -> DocumentBuilder:
        """Writes the following rows into `builder`, with the same header; returns `builder`."""
        self._builder = builder
        return builder

    def _decide(self) -> None:
        """Finds the header among the rows that were held back, and writes these."""
        self._decided = True
        widest = max((_filled(cells) for cells, _ in self._held), default=0)
        for position, (cells, number) in enumerate(self._held):
            if (
                self._header is None
                and widest > 1
                and position < len(self._held) - 1
                and _filled(cells) >= max(2, widest - widest // 4)
                and _is_header(cells)
            ):
                self._header = cells
            self._write(cells, number)

    def _write(self, cells: list[str], number: int) -> None:
        header = self._header
        if header is None or cells is header:
            text = " | ".join(cell for cell in cells if cell)
        else:
            names = [*header, *[""] * (len(cells) - len(header))]
            text = " | ".join(
                f"{name}: {cell}" if name else cell for name, cell in zip(names, cells, strict=False) if cell
            )
        self._builder.lines(text, number)


def _filled(cells: list[str]) -> int:
    return sum(bool(cell) for cell in cells)


def _is_header(cells: list[str]) -> bool:
    """Whether the cells are short, distinct, and have a letter each or are years."""
    names = [cell for cell in cells if cell]
    return (
        len(set(names)) == len(names)
        and all(len(name) <= 60 for name in names)
        and all(any(character.isalpha() for character in name) or _YEAR.fullmatch(name) for name in names)
    )
