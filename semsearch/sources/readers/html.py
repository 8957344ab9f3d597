"""HTML: what a page shows, block by block in its order, with headings and title; not its scripts. Nothing is fetched.

Also what shows when the page cannot be seen or run: alternative texts, the text of `noscript` and of framed documents
(`srcdoc`), values of fields, and the addresses that links to other sites lead to. Menus (`nav`) stand at the end,
unless the page is made of them.

The parser is that of the standard library, because it gives the source line of every piece of text, as faster ones do
not.
"""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder, Piece, plain
from semsearch.sources.readers.text import decode_declared

_SILENT = frozenset({"script", "style", "template", "head", "svg", "object", "applet"})
_SHOWN_IN_SVG = frozenset({"text", "title", "desc"})
_BLOCKS = frozenset(
    """address article aside blockquote body br caption dd details div dl dt fieldset figcaption figure footer form h1
    h2 h3 h4 h5 h6 header hr iframe legend li main nav noscript ol optgroup option p pre section select summary table
    tbody textarea tfoot thead tr ul""".split()  # noqa: SIM905
)
_IN_HEAD = frozenset({"title", "meta", "link", "base", "script", "style", "noscript", "template"})
_CELLS = frozenset({"td", "th"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_META_NAMES = frozenset({"author", "date", "description", "keywords"})
# Attributes that are read out or shown; an `alt` stands in the place of its picture.
_SHOWN_ATTRIBUTES = ("alt", "title", "aria-label", "placeholder", "label", "summary")
_FIELDS_WITHOUT_TEXT = frozenset({"hidden", "password", "checkbox", "radio", "image", "file"})
_ADDRESS = re.compile(r"(?:https?://|mailto:)(\S{1,200})\S*", re.IGNORECASE)
_RAW_END = re.compile(r"</(script|style|title|textarea|xmp)\b[^<>]*>", re.IGNORECASE)
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_XML_CHARSET = re.compile(rb"\A\s*<\?xml[^>]{0,200}encoding\s*=\s*[\"']([\w.:-]+)", re.IGNORECASE)
_MOST_FRAMES = 3


def read(data: bytes, type_name: str) -> Document:
    """The text of the page in `data`."""
    text, metadata = _decode_html(data)
    return read_text(text, type_name, metadata)


def read_text(text: str, type_name: str, metadata: dict[str, object], depth: int = 0) -> Document:
    """The text of the page `text`; `depth`: in how many documents it is framed."""
    parser = _PageParser(depth)
    # An end tag with attributes ends a script for every browser, but not for the parser.
    parser.feed(_RAW_END.sub(lambda match: f"</{match.group(1)}>" + "\n" * match.group().count("\n"), text))
    parser.close()
    parser.end_block()
    builder = DocumentBuilder(type_name, parser.title)
    menus = [block for block in parser.blocks if block.in_menu]
    others = [block for block in parser.blocks if not block.in_menu]
    for block in [*others, *menus] if others else menus:
        block.add_to(builder)
    return builder.document(metadata | parser.metadata)


def _decode_html(data: bytes) -> tuple[str, dict[str, object]]:
    return decode_declared(data, _META_CHARSET, _XML_CHARSET)


@dataclass
class _Block:
    """A heading (`level` 1 to 6) or a paragraph (0); its text in `pieces`, `preformatted` or to be filled."""

    level: int
    pieces: list[Piece]
    preformatted: bool
    in_menu: bool
    framed: "Document | None" = field(default=None)

    def add_to(self, builder: DocumentBuilder) -> None:
        if self.framed is not None:
            builder.block(self.framed.text, self.pieces[0].line)
        elif self.level:
            builder.heading(self.level, "".join(piece.text for piece in self.pieces), shown=False)
            builder.flow(self.pieces)
        elif self.preformatted:
            builder.block("".join(piece.text for piece in self.pieces), self.pieces[0].line)
        else:
            builder.flow(self.pieces)


class _PageParser(HTMLParser):
    """Collects the blocks of a page in `blocks`, with its `title` and `metadata`."""

    def __init__(self, depth: int) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[_Block] = []
        self.title = ""
        self.metadata: dict[str, object] = {}
        self._depth = depth
        self._pieces: list[Piece] = []
        self._silent: list[str] = []
        self._in_title = False
        self._in_menu = 0
        self._preformatted = 0
        self._shown_in_svg = 0
        self._heading = ""
        self._address = ""
        self._addresses: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "html" and values.get("lang"):
            self.metadata["lang"] = values["lang"]
        elif tag == "meta":
            name = values.get("name", "").lower()
            if name in _META_NAMES and values.get("content"):
                self.metadata[name] = values["content"]
        elif tag == "title" and not self.title and "svg" not in self._silent:
            self._in_title = True
        if self._silent == ["head"] and tag not in _IN_HEAD:
            self._silent.clear()  # its end tag may be left out
        if tag in _SILENT and not (tag == "template" and "shadowrootmode" in values):
            self._silent.append(tag)
        elif tag == "body":
            self._silent.clear()  # a head or script without an end tag must not hide the page
        if self._silent:
            self._shown_in_svg += self._silent[-1] == "svg" and tag in _SHOWN_IN_SVG
            return
        if tag in _BLOCKS:
            self.end_block()
            self._preformatted += tag == "pre"
            self._in_menu += tag == "nav"
            if tag in _HEADINGS:
                self._heading = tag
        elif tag in _CELLS and self._pieces:
            self._say(" | ")
        elif tag == "rt" and self._pieces:
            self._say(" (")
        self._attributes(tag, values)

    def _attributes(self, tag: str, values: dict[str, str]) -> None:
        """Adds what the attributes of an element say."""
        for name in _SHOWN_ATTRIBUTES:
            if plain(values.get(name, "")):
                self._say(f" {plain(values[name])} ")
        if tag == "input" and values.get("type", "text").lower() not in _FIELDS_WITHOUT_TEXT:
            self._say(f" {values.get('value', '')} ")
        elif tag == "a":
            address = _ADDRESS.match(values.get("href", ""))
            self._address = address.group(1) if address else ""
        elif tag == "iframe" and values.get("srcdoc") and self._depth < _MOST_FRAMES:
            framed = read_text(values["srcdoc"], "html", {}, self._depth + 1)
            at = [Piece("", self.getpos()[0])]
            self.blocks.append(_Block(0, at, False, self._in_menu > 0, framed))

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        if tag in self._silent:
            while self._silent.pop() != tag:
                pass
            self._shown_in_svg = 0
            return
        if self._silent:
            self._shown_in_svg -= self._shown_in_svg > 0 and tag in _SHOWN_IN_SVG
            if not self._shown_in_svg:
                self._say(" ")
            return
        if tag == "rt":
            self._say(") ")
        elif tag == "a" and self._address:
            self._say_address()
        if tag not in _BLOCKS:
            return
        self.end_block()
        if tag == "pre":
            self._preformatted = max(0, self._preformatted - 1)
        elif tag == "nav":
            self._in_menu = max(0, self._in_menu - 1)
        if tag == self._heading:
            self._heading = ""

    def _say_address(self) -> None:
        """Adds the address of the link that ends, once, unless its text is the address."""
        address, self._address = self._address, ""
        bare = address.rstrip("/")
        if bare not in self._addresses and bare not in "".join(piece.text for piece in self._pieces[-8:]):
            self._addresses.add(bare)
            self._say(f" ({address}) ")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
        if not self._silent or (self._silent[-1] == "svg" and self._shown_in_svg):
            self._say(data)

    def _say(self, text: str) -> None:
        if text and (self._pieces or text.strip()):
            self._pieces.append(Piece(text, self.getpos()[0]))

    def end_block(self) -> None:
        """Ends the open block."""
        if any(piece.text.strip() for piece in self._pieces):
            level = int(self._heading[1]) if self._heading else 0
            self.blocks.append(_Block(level, self._pieces, self._preformatted > 0, self._in_menu > 0))
        self._pieces = []
