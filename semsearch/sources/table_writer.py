"""Writes the rows of a table as text, each cell with its column's name, so that a row can be understood alone."""

from collections.abc import Mapping, Sequence

from semsearch.sources.document_builder import DocumentBuilder, Piece, plain
from semsearch.sources.table_header import is_header


class TableWriter:
    """Takes the rows of one table in order and writes them into `builder`; `is_empty`: there were none yet.

    The header is the first row that fills about as many columns as the others, with short, distinct texts. Rows above
    it (a title, a date) and tables without a header are written without column names.
    """

    # The header is looked for among so many rows.
    _HEADER_ROWS = 10

    def __init__(self, builder: DocumentBuilder) -> None:
        self._builder = builder
        # Column from 0 -> text, of the cells that have one: a value may stand far out.
        self._header: dict[int, str] | None = None
        self._held: list[tuple[dict[int, str], int, Sequence[str] | None]] = []
        self._decided = False
        self.is_empty = True

    def row(self, cells: Sequence[str], number: int, *, has_lines: bool = False) -> None:
        """Adds a row; `number`: that of the row in the sheet, or of the line of the file it begins in, from 1.

        `has_lines`: the line breaks in cells are those of the file.
        """
        shown = {column: text for column, cell in enumerate(cells) if (text := plain(cell))}
        self._add(shown, number, cells if has_lines else None)

    def row_of(self, cells: Mapping[int, str], number: int) -> None:
        """As `row`, of the cells that have a value: column from 0 -> text."""
        self._add({column: text for column in sorted(cells) if (text := plain(cells[column]))}, number)

    def _add(self, cells: dict[int, str], number: int, broken: Sequence[str] | None = None) -> None:
        if not cells:
            return
        self.is_empty = False
        if self._decided:
            self._write(cells, number, broken)
            return
        self._held.append((cells, number, broken))
        if len(self._held) == self._HEADER_ROWS:
            self._decide()

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
        widest = max((len(cells) for cells, _, _ in self._held), default=0)
        for position, (cells, number, broken) in enumerate(self._held):
            if (
                self._header is None
                and widest > 1
                and position < len(self._held) - 1
                and len(cells) >= max(2, widest - widest // 4)
                and is_header(list(cells.values()))
            ):
                self._header = cells
            self._write(cells, number, broken)

    def _write(self, cells: dict[int, str], number: int, broken: Sequence[str] | None) -> None:
        """Writes a row; `broken`: its cells with their line breaks, if these are lines of the file."""
        names = {} if self._header is None or cells is self._header else self._header
        if broken is None:
            shown = (f"{names[column]}: {cell}" if column in names else cell for column, cell in cells.items())
            self._builder.lines(" | ".join(shown), number)
            return
        pieces: list[Piece] = []
        for column, cell in enumerate(broken):
            if column in cells:
                name = f"{names[column]}: " if column in names else ""
                pieces.append(Piece((" | " if pieces else "") + name + cell, number))
            number += cell.count("\n")
        self._builder.flow(pieces, end="\n")
