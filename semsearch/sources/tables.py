"""Rows of tables as text: every row says what its cells are, so that a row makes sense in a chunk of its own."""

from collections.abc import Sequence

from semsearch.sources.building import DocumentBuilder, plain


class TableWriter:
    """Takes the rows of one table in order and writes them into `builder`.

    The first row that fills as many columns as the ones after it, all with distinct words, is taken for the header;
    what stands above it (a title, a date) and tables without one are written as they are.
    """

    # Rows that are held back to look for a header among them.
    _LOOKED_AT = 10

    def __init__(self, builder: DocumentBuilder) -> None:
        self._builder = builder
        self._header: list[str] | None = None
        self._held: list[tuple[list[str], int]] = []
        self._decided = False

    def row(self, cells: Sequence[str], number: int) -> None:
        """Row `number` of the sheet (from 1), or the line of the file it begins in."""
        cleaned = [plain(cell) for cell in cells]
        if not any(cleaned):
            return
        if self._decided:
            self._write(cleaned, number)
            return
        self._held.append((cleaned, number))
        if len(self._held) == self._LOOKED_AT:
            self._decide()

    def end(self) -> None:
        """After the last row."""
        if not self._decided:
            self._decide()

    def continue_in(self, builder: DocumentBuilder) -> DocumentBuilder:
        """Writes the rows to come into `builder`, under the same header."""
        self._builder = builder
        return builder

    def _decide(self) -> None:
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
    """Short, distinct, and no number among them."""
    names = [cell for cell in cells if cell]
    return len(set(names)) == len(names) and all(
        len(name) <= 60 and any(character.isalpha() for character in name) for name in names
    )
