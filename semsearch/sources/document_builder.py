"""Builds a `Document` from headings and blocks of text, and turns the errors of parsers into `ReadError`."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from semsearch.errors import ReadError
from semsearch.sources.document import Document, Section, heading_path
from semsearch.sources.lines import line_starts_of
from semsearch.sources.titles import told_title

_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"\S+")
_HEADING_CHARACTERS = 200
# Lines, rows and pages are told up to this one: what a file says of them may be more than an index can keep.
_LAST_NUMBER = 2**31 - 1
# A small file may name the same text millions of times.
MOST_CHARACTERS = 100_000_000


class Piece(NamedTuple):
    """Some text of a paragraph, and the line of the file it begins in; None where there are no lines."""

    text: str
    line: int | None = None


class DocumentBuilder:
    """Collects headings and blocks of text in reading order.

    `type_name`: the document type; `title`: the title of the document, which may also be set later. `is_full`: it takes
    no more text, which the notice of the document tells.
    """

    def __init__(self, type_name: str, title: str = "") -> None:
        self.type = type_name
        self.title = title
        self.is_full = False
        self._parts: list[str] = []
        self._length = 0
        self._begin = 0
        self._sections: list[Section] = []
        self._path: list[tuple[int, str]] = []
        self._page: int | None = None
        self._lines: list[tuple[int, int]] = []

    @property
    def title(self) -> str:
        return self._title

    @title.setter
    def title(self, title: str) -> None:
        self._title = told_title(title)

    def heading(self, level: int, name: str, *, shown: bool = True) -> None:
        """Begins a section headed `name`, below the last headings of smaller `level`.

        `shown`: the heading is also part of the text.
        """
        name = plain(name)
        if not name:
            return
        self._end_section()
        self._path = [*(above for above in self._path if above[0] < level), (level, name[:_HEADING_CHARACTERS])]
        if shown:
            self.block(name)

    def page(self, number: int | None) -> None:
        """Begins page or slide `number`, from 1, which is under no heading yet."""
        self._end_section()
        self._path = []
        self._page = None if number is None else min(number, _LAST_NUMBER)

    def block(self, text: str, line: int | None = None) -> None:
        """Adds a paragraph, table or notebook cell; `line`: the line of the file (or row of the sheet) it begins in."""
        self.lines(text, line)
        self._add("\n")

    def lines(self, text: str, line: int | None = None) -> None:
        """Adds lines to the open block; `line` as in `block`."""
        text = text.replace("\r\n", "\n").replace("\r", "\n").rstrip()
        if not text.strip():
            return
        if line is not None:
            self._begin_lines(line_starts_of(text, line))
        self._add(text + "\n")

    def flow(self, pieces: Sequence[Piece], end: str = "\n\n") -> None:
        """Adds a paragraph of `pieces`, in which white space is one blank; each word keeps the line it stands in.

        `end`: what follows it, an empty line or only a line end.
        """
        text: list[str] = []
        length, blank, last = 0, False, None
        starts: list[tuple[int, int]] = []
        for piece in pieces:
            position, line = 0, piece.line
            for word in _WORD.finditer(piece.text):
                gap = piece.text[position : word.start()]
                if line is not None:
                    line += gap.count("\n")
                if (blank or gap) and length:
                    text.append(" ")
                    length += 1
                if line is not None and line != last:
                    starts.append((length, line))
                    last = line
                text.append(word.group())
                length += len(word.group())
                position, blank = word.end(), False
            blank = blank or position < len(piece.text)
        if length:
            self._begin_lines(starts)
            self._add("".join(text) + end)

    def text(self, text: str, starts: Sequence[tuple[int, int]]) -> None:
        """Adds `text` as it is, and an empty line; `starts`: (offset in it, line of the file), rising."""
        if text.strip():
            self._begin_lines((offset, line) for offset, line in starts if offset < len(text))
            self._add(text.rstrip("\n") + "\n\n")

    def document(
        self, metadata: Mapping[str, object] | None = None, notice: str = "", *, own: bool = False
    ) -> Document:
        """The document that was built.

        `metadata`: its properties, empty ones are dropped; `notice`: what of the file is missing in the text; `own`: as
        in `Document`.
        """
        self._end_section()
        kept = {key: value for key, value in (metadata or {}).items() if value not in ("", None, [], ())}
        if self.is_full:
            notice = "; ".join(filter(None, (notice, f"text beyond {MOST_CHARACTERS:,} characters left out")))
        lines = tuple(self._lines) or None
        if lines and lines[0][0] > 0:
            lines = ((0, lines[0][1]), *lines)
        return Document("".join(self._parts), self.type, tuple(self._sections), lines, self.title, kept, notice, own)

    def _begin_lines(self, starts: Iterable[tuple[int, int]]) -> None:
        """Records `starts`, (offset in the text that is added next, line)."""
        if not self.is_full:
            self._lines += [(self._length + offset, max(1, min(line, _LAST_NUMBER))) for offset, line in starts]

    def _add(self, text: str) -> None:
        if self.is_full:
            return
        if len(text) > MOST_CHARACTERS - self._length:
            self.is_full = True
            text = text[: MOST_CHARACTERS - self._length]
        self._parts.append(text)
        self._length += len(text)

    def _end_section(self) -> None:
        if self._length > self._begin:
            heading = heading_path(self.title, [name for _, name in self._path])
            self._sections.append(Section(self._begin, self._length, heading, self._page))
            self._begin = self._length


@contextmanager
def parsing(kind: str) -> Iterator[None]:
    """Turns every error raised inside into `ReadError`: the file is a damaged `kind`, such as "PDF file".

    Parsers raise errors of any type on damaged files. `ReadError`, `MemoryError` and errors of the disk pass through.
    """
    try:
        yield
    except (ReadError, MemoryError):
        raise
    except OSError as error:
        if error.errno is not None:
            raise  # an error of the disk, not of the document
        raise ReadError(f"damaged {kind}: {error}") from None
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ReadError(f"damaged {kind}: {type(error).__name__}" + (f": {reason}" if reason else "")) from None


def plain(text: str) -> str:
    """`text` on one line, without blanks around it."""
    return _SPACE.sub(" ", text).strip()
