"""The second reader of PDFs, pypdfium2: text and pictures of pages that pypdf cannot read."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from semsearch.sources.readers.pdf_repair import contents_to_try

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Pages are drawn for OCR with so many dots, and no side longer than this in pixels.
_OCR_DOTS_PER_INCH = 200
_LONGEST_SIDE = 4000
# The gap between cells is at least as wide as their letters are high; words of justified text stand nearer.
_GAP = 1.0
_LONGEST_ROW = 400  # characters


class SecondReader:
    """One file in pypdfium2, opened when it is asked for.

    `passwords` are tried if it is encrypted. `needs_password`: none of them opened it.
    """

    def __init__(self, data: bytes, passwords: Sequence[str]) -> None:
        self._data = data
        self._passwords = passwords
        self._document: Any = None
        self._is_opened = False
        self.needs_password = False

    def count(self) -> int | None:
        """How many pages it has; None where it cannot be opened."""
        document = self._opened()
        return None if document is None else len(document)

    def text(self, number: int) -> str:
        """The text of page `number`, from 0; empty where it cannot be read."""
        import pypdfium2

        document = self._opened()
        try:
            return "" if document is None else _with_line_ends(document[number].get_textpage().get_text_range())
        except (pypdfium2.PdfiumError, IndexError):
            return ""

    def text_in_cells(self, number: int) -> str:
        """As `text`, with a tab where a line has a wide gap between two pieces that were drawn apart."""
        import pypdfium2

        document = self._opened()
        try:
            if document is None:
                return ""
            page = document[number].get_textpage()
            at, lines = 0, []
            for line in page.get_text_range().split("\r\n"):
                lines.append(_in_cells(page, at, line))
                at += len(line) + 2  # the line end
            return _with_line_ends("\n".join(lines))
        except (pypdfium2.PdfiumError, IndexError):
            return ""

    def picture(self, number: int) -> "NDArray[np.uint8] | None":
        """Page `number`, from 0, as a picture (height, width, 3); None where it cannot be drawn."""
        import pypdfium2

        document = self._opened()
        try:
            if document is None:
                return None
            page = document[number]
            scale = min(_OCR_DOTS_PER_INCH / 72, _LONGEST_SIDE / max(page.get_size()))
            drawn: NDArray[np.uint8] = page.render(scale=scale).to_numpy()
            return drawn[:, :, :3] if drawn.ndim == 3 else None
        except (pypdfium2.PdfiumError, IndexError, ValueError):
            return None

    def _opened(self) -> Any:
        if not self._is_opened:
            self._is_opened = True
            self._document = self._first_that_opens()
        return self._document

    def _first_that_opens(self) -> Any:
        import pypdfium2

        for content in contents_to_try(self._data):
            for password in ("", *self._passwords):
                try:
                    return pypdfium2.PdfDocument(content, password=password or None)
                except pypdfium2.PdfiumError as error:
                    if "password" not in str(error).lower():
                        break
                    self.needs_password = True
        return None


def _in_cells(page: Any, at: int, line: str) -> str:
    """`line`, which begins at the character `at` of the text of `page`, with tabs in its wide gaps."""
    count = page.count_rects(at, len(line)) if 0 < len(line) <= _LONGEST_ROW else 0
    if count < 2:
        return line
    pieces = [page.get_rect(number) for number in range(count)]
    gap = _GAP * max(top - bottom for _, bottom, _, top in pieces)
    cells = pieces[:1]
    for left, bottom, right, top in pieces[1:]:
        before = cells[-1]
        if left - before[2] > gap:
            cells.append((left, bottom, right, top))
        else:
            cells[-1] = (min(before[0], left), min(before[1], bottom), max(before[2], right), max(before[3], top))
    if len(cells) == 1:
        return line
    texts = [" ".join(page.get_text_bounded(*cell).split()) for cell in cells]
    # What lies on one another cannot be told apart by its place.
    return "\t".join(texts) if "".join("".join(texts).split()) == "".join(line.split()) else line


def _with_line_ends(text: str) -> str:
    # pdfium has one character for a hyphen at the end of a line and the line end.
    return text.replace("\r\n", "\n").replace("\ufffe", "-\n").replace("\u0002", "-\n")
