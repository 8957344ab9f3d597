"""The text of one file with its sections, lines and metadata: what every reader returns."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from semsearch.sources.lines import LineStarts

# The key of metadata under which decoding tells what it could not decode; it becomes `Document.notice`.
NOTICE = "\0notice"


@dataclass(frozen=True)
class Section:
    """Characters `start` to `end` of `Document.text`, which stand under one heading.

    `heading`: the heading path, outermost first; `page`: from 1, None where the format has no pages.
    """

    start: int
    end: int
    heading: tuple[str, ...] = ()
    page: int | None = None


@dataclass(frozen=True)
class Document:
    """The text of one file.

    `type`: the document type. `sections` cover `text` in order without overlap. `line_starts`: (offset in `text` in
    characters, line number in the file from 1), rising; None when the file has no lines (a PDF). Readers that do not
    change the text of the file use `line_starts_of`. `metadata`: author, date and the like. `notice`: for people, what
    of the file is missing in the text. `own`: here begins one of several documents of its file, with properties of its
    own; what is not its own goes on with the document before. `wholes`: (start, end) in characters of what is not to be
    cut where it fits a chunk, such as a function, in order of their starts; each begins and ends where sections do.
    """

    text: str
    type: str
    sections: tuple[Section, ...]
    line_starts: LineStarts | None
    title: str = ""
    metadata: Mapping[str, object] = field(default_factory=dict)
    notice: str = ""
    own: bool = False
    wholes: tuple[tuple[int, int], ...] = ()

    def storable(self) -> "Document":
        """This document without unpaired surrogates, which tokenizers and SQLite refuse, and with its notice."""
        document = self
        if NOTICE in self.metadata:
            metadata = dict(self.metadata)
            notices = [one for one in (self.notice, str(metadata.pop(NOTICE))) if one]
            document = replace(self, metadata=metadata, notice="; ".join(notices))
        text = storable(self.text)
        document = document if text is self.text else replace(document, text=text)
        names = "".join(name for section in self.sections for name in section.heading)
        if storable(names) is names:
            return document
        sections = (replace(one, heading=tuple(map(storable, one.heading))) for one in self.sections)
        return replace(document, sections=tuple(sections))

    def pieces(self, size: int) -> "Iterator[Document]":
        """This document, or if it is longer than `size` characters, its consecutive parts, cut at line ends."""
        if len(self.text) <= size:
            yield self
            return
        start = 0
        while start < len(self.text):
            end = len(self.text)
            if end - start > size:
                cut = self.text.rfind("\n", start, start + size)
                end = cut + 1 if cut > start else start + size
            yield self.part(start, end)
            start = end

    def part(self, start: int, end: int) -> "Document":
        """Characters `start` to `end` as a document, with their headings, pages and line numbers in this one; where it
        does not begin with this one, it goes on with it."""
        sections = tuple(
            replace(section, start=max(section.start, start) - start, end=min(section.end, end) - start)
            for section in self.sections
            if section.start < end and section.end > start
        )
        lines = self.line_starts
        if lines is not None:
            first = bisect_right(lines, (start, 1 << 62)) - 1
            past = bisect_right(lines, (end - 1, 1 << 62))
            lines = tuple((max(0, offset - start), line) for offset, line in lines[first:past])
        own = self.own and start == 0
        wholes = tuple((first - start, past - start) for first, past in self.wholes if start <= first and past <= end)
        return replace(self, text=self.text[start:end], sections=sections, line_starts=lines, own=own, wholes=wholes)


def storable(text: str) -> str:
    """`text` with each unpaired surrogate replaced by `?`; `text` itself where it has none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def heading_path(title: str, names: Sequence[str]) -> tuple[str, ...]:
    """`names`, the headings from the outermost in, with the document's `title` before them unless it is the first."""
    return tuple(names) if not title or (names and names[0] == title) else (title, *names)
