"""HTML: the visible text block by block, headings, title; without navigation and scripts. Nothing is fetched.

The parser is that of the standard library, because it gives the source line of every tag, as faster ones do not.
"""

import re
from html.parser import HTMLParser

from semsearch.sources.document import Document, Section, heading_path
from semsearch.sources.readers.text import decode

_SILENT = frozenset({"script", "style", "template", "noscript", "svg", "nav", "footer", "head"})
_BLOCKS = frozenset(
    """address article aside blockquote body br caption dd details div dl dt fieldset figcaption figure form h1 h2 h3
    h4 h5 h6 header hr legend li main ol optgroup option p pre section summary table tbody tfoot thead tr
    ul""".split()  # noqa: SIM905
)
_IN_HEAD = frozenset({"title", "meta", "link", "base", "script", "style", "noscript", "template"})
_CELLS = frozenset({"td", "th"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_META_NAMES = frozenset({"author", "date", "description", "keywords"})
_MAIN_CHARACTERS = 200
_SPACE = re.compile(r"\s+")
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)


def read(data: bytes, type_name: str) -> Document:
    """The visible text of `data`; only that of its main part if the page has one with enough text."""
    text, metadata = _decode_html(data)
    parser = _TextParser()
    parser.feed(text)
    parser.close()
    parser.end_block()
    title = _SPACE.sub(" ", parser.title).strip()
    document = Document(
        "".join(parser.parts),
        type_name,
        parser.sections(title),
        tuple(parser.line_starts) or ((0, 1),),
        title,
        metadata | parser.metadata,
    )
    start, end = parser.main
    # A main part with little text is an empty frame that scripts would fill.
    return document.part(start, end) if end - start >= max(_MAIN_CHARACTERS, len(document.text) / 10) else document


def _decode_html(data: bytes) -> tuple[str, dict[str, object]]:
    declared = _META_CHARSET.search(data[:4096])
    if declared:
        name = declared.group(1).decode("ascii", "replace").lower()
        if name in ("iso-8859-1", "latin1", "us-ascii"):
            name = "cp1252"  # as every browser does (WHATWG Encoding, section 4.2)
        try:
            text = data.decode(name)
        except (LookupError, UnicodeError):
            return decode(data)  # the declared encoding is wrong
        return text, {} if name in ("utf-8", "utf8") else {"encoding": name}
    return decode(data)


class _TextParser(HTMLParser):
    """Collects the visible text in `parts`, with `line_starts`, `title` and `metadata` as a `Document` has them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.line_starts: list[tuple[int, int]] = []
        self.title = ""
        self.metadata: dict[str, object] = {}
        self._length = 0
        self._block: list[str] = []
        self._block_line = 1
        self._silent: list[str] = []
        self._in_title = False
        self._preformatted = 0
        self._heading_tag = ""
        # Start and end, in characters of the text, of the main part of the page.
        self.main = (0, 0)
        self._main_start: int | None = None
        self._headings: list[tuple[int, int, str]] = []  # (offset, level, name)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "html":
            language = dict(attrs).get("lang")
            if language:
                self.metadata["lang"] = language
        elif tag == "meta":
            values = dict(attrs)
            name, content = (values.get("name") or "").lower(), values.get("content")
            if name in _META_NAMES and content:
                self.metadata[name] = content
        elif tag == "title" and not self.title:
            self._in_title = True
        if self._silent == ["head"] and tag not in _IN_HEAD:
            self._silent.clear()  # its end tag may be left out
        if tag in _SILENT:
            self._silent.append(tag)
        elif tag == "body":
            self._silent.clear()  # a head or script without an end tag must not hide the page
        if self._silent:
            return
        if tag in _BLOCKS:
            self.end_block()
            self._preformatted += tag == "pre"
            if tag in _HEADINGS:
                self._heading_tag = tag
            elif tag == "main" and self._main_start is None:
                self._main_start = self._length
        elif tag in _CELLS and self._block:
            self._block.append(" | ")

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        if tag in self._silent:
            while self._silent.pop() != tag:
                pass
            return
        if self._silent or tag not in _BLOCKS:
            return
        self.end_block()
        if tag == "main" and self._main_start is not None and not self.main[1]:
            self.main = (self._main_start, self._length)
        if tag == "pre":
            self._preformatted = max(0, self._preformatted - 1)
        if tag == self._heading_tag:
            self._heading_tag = ""

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
        if self._silent or not data:
            return
        if not self._block:
            stripped = data.lstrip()
            if not stripped:
                return
            self._block_line = self.getpos()[0] + data[: len(data) - len(stripped)].count("\n")
            data = stripped
        self._block.append(data)

    def end_block(self) -> None:
        """Ends the open block and adds it to `parts`."""
        text = "".join(self._block)
        text = text.rstrip() if self._preformatted else _SPACE.sub(" ", text).strip()
        self._block.clear()
        if not text:
            return
        if self._heading_tag:
            self._headings.append((self._length, int(self._heading_tag[1]), text))
        for number, line in enumerate(text.split("\n")):
            self.line_starts.append((self._length, self._block_line + number))
            self.parts.append(line + "\n")
            self._length += len(line) + 1
        self.parts.append("\n")
        self._length += 1

    def sections(self, title: str) -> tuple[Section, ...]:
        """The sections of the text by its headings, under `title`."""
        sections: list[Section] = []
        begin = 0
        path: list[tuple[int, str]] = []
        heading: tuple[str, ...] = (title,) if title else ()
        for offset, level, name in self._headings:
            if offset > begin:
                sections.append(Section(begin, offset, heading))
            begin = offset
            path = [*(above for above in path if above[0] < level), (level, name)]
            names = [name for _, name in path]
            heading = heading_path(title, names)
        sections.append(Section(begin, self._length, heading))
        return tuple(sections)
