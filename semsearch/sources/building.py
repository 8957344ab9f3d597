"""How readers of structured formats put a Document together, and how they tell a damaged file."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from semsearch.errors import ReadError
from semsearch.sources.document import Document, Section, heading_path

_SPACE = re.compile(r"\s+")
_HEADING_CHARACTERS = 200


class DocumentBuilder:
    """Takes headings and blocks of text in reading order."""

    def __init__(self, type_name: str, title: str = "") -> None:
        self.type = type_name
        self.title = plain(title)
        self._parts: list[str] = []
        self._length = 0
        self._begin = 0
        self._sections: list[Section] = []
        self._path: list[tuple[int, str]] = []
        self._page: int | None = None
        self._lines: list[tuple[int, int]] = []

    def heading(self, level: int, name: str, *, shown: bool = True) -> None:
        """What follows stands under `name`; higher levels above it, equal and lower ones before it are left."""
        name = plain(name)
        if not name:
            return
        self._end_section()
        self._path = [*(above for above in self._path if above[0] < level), (level, name[:_HEADING_CHARACTERS])]
        if shown:
            self.block(name)

    def page(self, number: int | None) -> None:
        """What follows stands on page (slide) `number`."""
        self._end_section()
        self._page = number

    def block(self, text: str, line: int | None = None) -> None:
        """A paragraph, table or cell block; `line` is the file's line (or the sheet's row) in which it begins."""
        self.lines(text, line)
        self._add("\n")

    def lines(self, text: str, line: int | None = None) -> None:
        """Lines that belong to the block that is open."""
        text = text.replace("\r\n", "\n").replace("\r", "\n").rstrip()
        if not text.strip():
            return
        if line is not None:
            self._lines.append((self._length, line))
        self._add(text + "\n")

    def document(self, metadata: Mapping[str, object] | None = None, notice: str = "") -> Document:
        """What was built; `metadata` without its empty entries."""
        self._end_section()
        kept = {key: value for key, value in (metadata or {}).items() if value not in ("", None, [], ())}
        lines = tuple(self._lines) or None
        if lines and lines[0][0] > 0:
            lines = ((0, lines[0][1]), *lines)
        return Document("".join(self._parts), self.type, tuple(self._sections), lines, self.title, kept, notice)

    def _add(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)

    def _end_section(self) -> None:
        if self._length > self._begin:
            heading = heading_path(self.title, [name for _, name in self._path])
            self._sections.append(Section(self._begin, self._length, heading, self._page))
            self._begin = self._length


@contextmanager
def reading(kind: str) -> Iterator[None]:
    """Whatever a parser trips over inside means that the file is a damaged `kind`."""
    try:
        yield
    except (ReadError, MemoryError):
        raise
    except OSError as error:
        if error.errno is not None:
            raise  # the disk, not the document
        raise ReadError(f"damaged {kind}: {error}") from None
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ReadError(f"damaged {kind}: {type(error).__name__}" + (f": {reason}" if reason else "")) from None


def plain(text: str) -> str:
    """`text` on one line."""
    return _SPACE.sub(" ", text).strip()
