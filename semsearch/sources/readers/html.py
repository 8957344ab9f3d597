"""HTML: what a page shows, block by block in its order, with headings and title; not its scripts. Nothing is fetched.

Also what shows when the page cannot be seen or run: alternative texts, the text of `noscript` and of framed documents
(`srcdoc`), values of fields, and the addresses that links to other sites lead to. Menus (`nav`) stand at the end,
unless the page is made of them.

The parser is that of the standard library, because it gives the source line of every piece of text, as faster ones do
not.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise, zip_longest

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder, Piece, plain
from semsearch.sources.lines import line_of, line_starts_of
from semsearch.sources.readers.text import decode_declared

# The brackets around the reading of a word (`rp`) are put around it here.
_SILENT = frozenset({"script", "style", "template", "head", "svg", "rp"})
_SHOWN_IN_SVG = frozenset({"text", "title", "desc"})
_BLOCKS = frozenset(
    """address article aside blockquote body br caption center dd details dialog dir div dl dt fieldset figcaption
    figure footer form frameset h1 h2 h3 h4 h5 h6 header hgroup hr iframe legend li listing main marquee menu nav
    noframes noscript ol optgroup option p plaintext pre search section select summary table tbody textarea tfoot thead
    tr ul xmp""".split()  # noqa: SIM905
)
_IN_HEAD = frozenset({"title", "meta", "link", "base", "script", "style", "noscript", "template"})
_CELLS = frozenset({"td", "th"})
# What begins a paragraph, but does not end the row of a table that it stands in.
_WITHIN_CELLS = frozenset({"br", "center", "div", "p"})
_CELL, _PARAGRAPH = Piece(" | "), Piece("\n")
# Tables of longer rows lay out a page; their paragraphs stay apart.
_LONGEST_ROW = 600  # characters
# What stands apart from the words beside it, within their line.
_APART = frozenset({"button", "meter", "output", "progress"})
# What breaks the line within a heading, which stays one heading.
_BREAKS = frozenset({"br", "div"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_META_NAMES = frozenset({"author", "date", "description", "keywords"})
# Attributes that are read out or shown; an `alt` stands in the place of its picture.
_SHOWN_ATTRIBUTES = ("alt", "title", "aria-label", "placeholder", "label", "summary")
_FIELDS_WITHOUT_TEXT = frozenset({"hidden", "password", "checkbox", "radio", "image", "file"})
_ADDRESS = re.compile(r"(?:https?://|mailto:)(\S{1,200})\S*", re.IGNORECASE)
_RAW_END = re.compile(r"</(script|style|title|textarea|xmp)\b([^<>]*)>", re.IGNORECASE)
_NOT_SPACE = re.compile(r"\S")
_REFERENCE = re.compile(r"&(?:#[xX]?[0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]*);?")
_LONGEST_REFERENCE = 34
_OPENING = re.compile(r"<(?=[A-Za-z/!?])")
_CDATA = "<![CDATA["
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
XML_CHARSET = re.compile(rb"\A\s*<\?xml[^>]{0,200}encoding\s*=\s*[\"']([\w.:-]+)", re.IGNORECASE)
_MOST_FRAMES = 3
_LONGEST_TITLE = 1000


def read(data: bytes, type_name: str) -> Document:
    """The text of the page in `data`."""
    text, metadata = _decode_html(data)
    return read_text(text, type_name, metadata)


def read_text(
    text: str,
    type_name: str,
    metadata: dict[str, object],
    depth: int = 0,
    starts: Sequence[tuple[int, int]] | None = None,
) -> Document:
    """The text of the page `text`; `depth`: in how many documents it is framed.

    `starts`: (offset in `text`, line of the file that goes on there), where these lines are not those of `text`.
    """
    text = _whole(text)
    places = _Places(text, starts)
    parser = _PageParser(text, depth, places)
    parser.feed(text)
    parser.close()
    parser.end_block()
    title = parser.title()
    builder = DocumentBuilder(type_name, title[:_LONGEST_TITLE])
    menus = [block for block in parser.blocks if block.in_menu]
    others = [block for block in parser.blocks if not block.in_menu]
    blocks = [*others, *menus] if others else menus
    for block, following in zip_longest(blocks, blocks[1:]):
        is_within = following is not None and block.table and block.table == following.table
        block.add_to(builder, "\n" if is_within else "\n\n")
    notice = f"title cut after {_LONGEST_TITLE:,} characters" if len(title) > _LONGEST_TITLE else ""
    return places.in_file(builder.document(metadata | parser.metadata, notice))


def _whole(text: str) -> str:
    """`text`, of the same length, as the parser can read it: without what never ends, over which it would start anew.

    An end tag with attributes ends a script for every browser, and `--!>` a comment, but not for the parser. A comment
    that does not end hides nothing, and a tag that does not end is text.
    """
    text = text.replace("--!>", " -->")
    text = _RAW_END.sub(lambda match: f"</{match.group(1)}{_NOT_SPACE.sub(' ', match.group(2))}>", text)
    commented = text.rfind("-->") + 1
    if "<!--" in text[commented:]:
        text = text[:commented] + text[commented:].replace("<!--", "    ")
    closed = text.rfind(">") + 1
    return text[:closed] + _OPENING.sub(" ", text[closed:])


def declared_encoding(data: bytes) -> str:
    """The encoding that the beginning of the page `data` declares; empty where it declares none."""
    found = _META_CHARSET.search(data[:4096]) or XML_CHARSET.search(data[:4096])
    return found.group(1).decode("ascii", "replace").lower() if found else ""


def _decode_html(data: bytes) -> tuple[str, dict[str, object]]:
    return decode_declared(data, _META_CHARSET, XML_CHARSET)


@dataclass
class _Block:
    """A heading (`level` 1 to 6) or a paragraph (0); its text in `pieces`, `preformatted` or to be filled.

    `table`: the number of the table of which it is a row; 0: of none.
    """

    level: int
    pieces: list[Piece]
    preformatted: bool
    in_menu: bool
    framed: "Document | None" = field(default=None)
    table: int = 0

    def add_to(self, builder: DocumentBuilder, end: str) -> None:
        """Adds it to `builder`; `end`: what follows a paragraph."""
        if self.framed is not None:
            first = (self.pieces[0].line or 1) - 1
            builder.text(self.framed.text, [(at, line + first) for at, line in self.framed.line_starts or ()])
        elif self.level:
            builder.heading(self.level, "".join(piece.text for piece in self.pieces), shown=False)
            builder.flow(self.pieces)
        elif self.preformatted:
            builder.text(*self._as_it_is())
        else:
            builder.flow(self.pieces, end)

    def _as_it_is(self) -> tuple[str, list[tuple[int, int]]]:
        """(text of the pieces, where in it each line begins)."""
        length = 0
        starts: list[tuple[int, int]] = []
        for piece in self.pieces:
            starts += [(length + at, line) for at, line in line_starts_of(piece.text, piece.line or 1)]
            length += len(piece.text)
        return "".join(piece.text for piece in self.pieces), starts


class _Places:
    r"""The lines of the page `text`, and those of its file, which go on at `starts` (as in `read_text`).

    Where these are others, the page is read with a numbering of its own, in which a line ends where one of the page or
    of the file does. The mail `<p>one=\n two</p>\n<p>three</p>` in lines 7 to 9 of a file is the page
    `<p>one two</p>\n<p>three</p>` with `starts` (0, 7), (6, 8), (15, 9): its lines begin at 0 and 15, and `cuts` are 0,
    6 and 15. Read as lines 1, 2 and 3 by these, its words are told in lines 7, 8 and 9 of the file.
    """

    def __init__(self, text: str, starts: Sequence[tuple[int, int]] | None) -> None:
        self.starts = starts
        self._rows = [offset for offset, _ in line_starts_of(text)]
        self.cuts = self._rows
        if starts is not None:
            self.cuts = sorted({*self._rows, *(offset for offset, _ in starts if offset < len(text))})

    def offset(self, row: int, column: int) -> int:
        """The offset in the page of a column, from 0, of a row, from 1."""
        return self._rows[row - 1] + column

    def line(self, offset: int) -> int:
        """The number, from 1, of the line that holds the character at `offset`."""
        return bisect_right(self.cuts, offset)

    def in_file(self, document: Document) -> Document:
        """`document`, whose lines are those of `line`, with the lines of the file."""
        if self.starts is None:
            return document
        lines = tuple(
            (offset, line_of(self.starts, self.cuts[min(number, len(self.cuts)) - 1]))
            for offset, number in document.line_starts or ()
        )
        return replace(document, line_starts=lines or None)


class _Silent:
    """The open elements whose text is not shown, the innermost last."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._count: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return bool(self._names)

    @property
    def innermost(self) -> str:
        return self._names[-1] if self._names else ""

    def holds(self, name: str) -> bool:
        return self._count[name] > 0

    def is_only(self, name: str) -> bool:
        return self._names == [name]

    def begin(self, name: str) -> None:
        self._names.append(name)
        self._count[name] += 1

    def end(self, name: str) -> None:
        """Ends the innermost `name`, and what is open in it."""
        ended = ""
        while ended != name:
            ended = self._names.pop()
            self._count[ended] -= 1

    def clear(self) -> None:
        self._names.clear()
        self._count.clear()


class _PageParser(HTMLParser):
    """Collects the blocks of the page `text` in `blocks`, with its `title` and `metadata`."""

    def __init__(self, text: str, depth: int, places: _Places) -> None:
        super().__init__(convert_charrefs=True)
        self._text = text
        self._places = places
        self.blocks: list[_Block] = []
        self.metadata: dict[str, object] = {}
        self._depth = depth
        self._pieces: list[Piece] = []
        self._silent = _Silent()
        self._title: list[str] = []
        self._in_title = False
        self._has_cdata_end = True
        self._in_menu = 0
        self._tables: list[_Table] = []
        self._tables_seen = 0
        self._preformatted = 0
        self._shown_in_svg = 0
        self._in_reading = False
        self._heading = ""
        self._address = ""
        self._address_line = 1
        self._addresses: set[str] = set()

    def title(self) -> str:
        return plain("".join(self._title))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "html" and values.get("lang"):
            self.metadata["lang"] = values["lang"]
        elif tag == "meta":
            name = values.get("name", "").lower()
            if name in _META_NAMES and values.get("content"):
                self.metadata[name] = values["content"]
        elif tag == "title" and not self._title and not self._silent.holds("svg"):
            self._in_title = True
        self._end_unclosed(tag)
        if tag in _SILENT and not (tag == "template" and "shadowrootmode" in values):
            self._silent.begin(tag)
        elif tag == "body":
            self._silent.clear()  # a head or script without an end tag must not hide the page
        if self._silent:
            self._shown_in_svg += self._silent.innermost == "svg" and tag in _SHOWN_IN_SVG
            return
        if tag in _APART or (tag in _BREAKS and self._heading):
            self._say(" ")
        elif tag in _WITHIN_CELLS and self._is_in_cell():
            self._pieces.append(_PARAGRAPH)
        elif tag in _BLOCKS:
            self.end_block()
            self._begin_part_of_table(tag)
            self._preformatted += tag == "pre"
            self._in_menu += tag == "nav"
            if tag in _HEADINGS:
                self._heading = tag
        elif tag in _CELLS:
            self._begin_cell()
        elif tag == "rt" and self._pieces:
            self._say(" (")
            self._in_reading = True
        self._attributes(tag, values)

    def _end_unclosed(self, tag: str) -> None:
        """Ends, before `tag`, what is open and whose end tag may be left out."""
        if tag in ("rt", "rp", "rb", "rtc"):
            self._end_reading()
        if self._silent.innermost == "rp" and tag != "rp":
            self._silent.end("rp")
        elif self._silent.is_only("head") and tag not in _IN_HEAD:
            self._silent.clear()

    def _end_reading(self) -> None:
        """Ends the reading of a word (`rt`), which stands in brackets."""
        if self._in_reading:
            self._say(") ")
            self._in_reading = False

    def _attributes(self, tag: str, values: dict[str, str]) -> None:
        """Adds what the attributes of an element say."""
        for name in _SHOWN_ATTRIBUTES:
            if plain(values.get(name, "")):
                self._say_attribute(name, values[name])
        if tag == "input" and values.get("type", "text").lower() not in _FIELDS_WITHOUT_TEXT:
            self._say_attribute("value", values.get("value", ""))
        elif tag == "a":
            address = _ADDRESS.match(values.get("href", ""))
            self._address = address.group(1) if address else ""
            if address:
                self._address_line = self._line(self._begin_of("href"))
        elif tag == "iframe" and values.get("srcdoc") and self._depth < _MOST_FRAMES:
            framed = read_text(values["srcdoc"], "html", {}, self._depth + 1)
            at = [Piece("", self._line(self._begin_of("srcdoc")))]
            self.blocks.append(_Block(0, at, False, self._in_menu > 0, framed))

    def _say_attribute(self, name: str, value: str) -> None:
        self._say(" ")
        self._say(value, self._begin_of(name))
        self._say(" ")

    def _begin_of(self, name: str) -> int:
        """Where in the tag at hand the value of the attribute `name` begins."""
        tag = self.get_starttag_text() or ""
        found = re.search(rf"[\s/\"']{re.escape(name)}\s*=\s*[\"']?", tag, re.IGNORECASE)
        return found.end() if found else 0

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        if self._silent.innermost == "rp" and tag != "rp":
            self._silent.end("rp")
        if self._silent.holds(tag):
            self._silent.end(tag)
            self._shown_in_svg = 0
            return
        if self._silent:
            self._shown_in_svg -= self._shown_in_svg > 0 and tag in _SHOWN_IN_SVG
            if not self._shown_in_svg:
                self._say(" ")
            return
        if tag in _APART or (tag in _BREAKS and self._heading):
            self._say(" ")
            return
        if tag in ("rt", "ruby"):
            self._end_reading()
        elif tag == "a" and self._address:
            self._say_address()
        if tag in _WITHIN_CELLS and self._is_in_cell():
            self._pieces.append(_PARAGRAPH)
            return
        if tag not in _BLOCKS:
            return
        self.end_block()
        if tag == "tr" and self._tables:
            self._tables[-1].cells = 0
        elif tag == "table" and self._tables:
            self._tables.pop()
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
            self._pieces.append(Piece(f" ({address}) ", self._address_line))

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self._title.append(data)
        if not self._silent or (self._silent.innermost == "svg" and self._shown_in_svg):
            self._say(data)

    def parse_html_declaration(self, i: int) -> int:
        """Passes over the declaration at `i`; `<![` begins no more than one, and CDATA is text."""
        rest = self.rawdata
        if not rest.startswith("<![", i):
            return super().parse_html_declaration(i)
        if rest.startswith(_CDATA, i) and self._has_cdata_end:
            end = rest.find("]]>", i)
            if end >= 0:
                if not self._silent:
                    self._say(rest[i + len(_CDATA) : end], len(_CDATA), raw=True)
                return end + 3
            self._has_cdata_end = False  # which is not to be looked for again at each beginning
        return rest.find(">", i) + 1 or -1

    def _say(self, text: str, after: int = 0, *, raw: bool = False) -> None:
        """Adds `text`, which stands `after` so many characters from the place at hand; `raw`: as it is in the page."""
        if text and (self._pieces or text.strip()):
            self._pieces += self._cut(text, after, raw or self.cdata_elem is not None)

    def _line(self, after: int) -> int:
        """The number of the line of the character that stands `after` so many from the place at hand."""
        return self._places.line(self._places.offset(*self.getpos()) + after)

    def _cut(self, text: str, after: int, raw: bool) -> Iterator[Piece]:
        """`text` in pieces, each with the line in which it begins; within a piece lines end as in the page."""
        if self._places.starts is None:
            yield Piece(text, self._line(after))
            return
        place, done = self._places.offset(*self.getpos()) + after, 0
        cuts = self._places.cuts
        while done < len(text):
            line = self._places.line(place)
            end = cuts[line] if line < len(cuts) else len(self._text)
            ampersand = self._text.rfind("&", max(place, end - _LONGEST_REFERENCE), end)
            if ampersand >= 0 and (reference := _REFERENCE.match(self._text, ampersand)):
                end = max(end, reference.end())  # a character reference is not cut
            part = self._text[place:end]
            part = text[done : done + len(part if raw else unescape(part))] if place < end else text[done:]
            yield Piece(part, line)
            place, done = end, done + len(part)

    def end_block(self) -> None:
        """Ends the open block."""
        self._end_reading()
        level = int(self._heading[1]) if self._heading else 0
        table = self._tables[-1].number if self._is_in_cell() and not level and not self._preformatted else 0
        paragraphs = list(_paragraphs(self._pieces))
        if len(paragraphs) > 1:
            table = 0  # they stay apart
        for pieces in paragraphs:
            self.blocks.append(_Block(level, pieces, self._preformatted > 0, self._in_menu > 0, table=table))
        self._pieces = []

    def _begin_part_of_table(self, tag: str) -> None:
        if tag == "table":
            self._tables_seen += 1
            self._tables.append(_Table(self._tables_seen))
        elif tag == "tr" and self._tables:
            self._tables[-1].cells = 0

    def _begin_cell(self) -> None:
        if self._tables:
            # Nothing stands in some cells, and what follows has its own column nevertheless.
            if self._tables[-1].cells:
                self._pieces.append(_CELL)
            self._tables[-1].cells += 1
        elif self._pieces:
            self._say(" | ")

    def _is_in_cell(self) -> bool:
        return bool(self._tables and self._tables[-1].cells)


@dataclass
class _Table:
    """An open table: the how manieth of the page it is, and how many cells of the open row have begun."""

    number: int
    cells: int = 0


def _paragraphs(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """What stands in `pieces`: one paragraph or row, or of a long row each paragraph of its cells."""
    if not any(piece is _CELL or piece is _PARAGRAPH for piece in pieces):
        if any(piece.text.strip() for piece in pieces):
            yield list(pieces)
        return
    cells = _split(pieces, _CELL)
    filled = sum(any(_says(piece) for piece in cell) for cell in cells)
    if not filled:
        return
    if filled == 1:
        pieces = [piece for piece in pieces if piece is not _CELL]
    if filled == 1 or sum(len(piece.text) for piece in pieces) > _LONGEST_ROW:
        for paragraph in _split(pieces, _PARAGRAPH):
            says = [place for place, piece in enumerate(paragraph) if _says(piece)]
            if says:
                yield list(paragraph[says[0] : says[-1] + 1])
    else:
        yield list(pieces)


def _says(piece: Piece) -> bool:
    return piece is not _CELL and bool(piece.text.strip())


def _split(pieces: Sequence[Piece], mark: Piece) -> list[Sequence[Piece]]:
    """The runs of `pieces` between those that are `mark`."""
    places = [-1, *(place for place, piece in enumerate(pieces) if piece is mark), len(pieces)]
    return [pieces[start + 1 : end] for start, end in pairwise(places)]
