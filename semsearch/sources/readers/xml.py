"""XML: the text of every element in the order of the file, with its line; entries of RSS and Atom under their titles.

An element that holds text of its own is a paragraph, and the elements in it are parts of its words (`H<sub>2</sub>O`);
others stand on lines of their own. Attributes that say something are text, too. Entities are not expanded, but for
short ones that hold no other, so that a few hundred bytes cannot become gigabytes; nothing is fetched.
"""

import html as html_entities
import re
from collections.abc import Iterator
from xml.parsers import expat

from semsearch.errors import ReadError
from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder, Piece, plain
from semsearch.sources.readers import html
from semsearch.sources.readers.text import decode_declared

_ENTRIES = frozenset({"item", "entry"})
_FEEDS = frozenset({"rss", "feed", "RDF"})
_HTML_ROOTS = frozenset({"html"})
_DECLARED = re.compile(rb"\A\s*<\?xml[^>]{0,200}encoding\s*=\s*[\"']([\w.:-]+)", re.IGNORECASE)
_PROLOG = re.compile(r"\A\s*<\?xml[^>]*\?>")
_LONGEST_ENTITY = 200
# Attributes that people read, and those that only programs do; of others, those with several words.
_READ_ATTRIBUTES = re.compile(
    r"(?i).*(?:text|title|name|label|descr?|description|summary|caption|alt|tooltip|hint|message|comment|note|value|"
    r"content|author|creator|subject|keywords?|question|answer|url|href|email|phone|address)"
)
_SILENT_ATTRIBUTES = re.compile(r"(?i)xmlns.*|.*(?:id|ref|class|style|lang|space|type|version|encoding|schemalocation)")
_LONGEST_ATTRIBUTE = 2000
# A longer element in the middle of text is no word, but a paragraph of its own.
_LONGEST_INLINE = 500


def read(data: bytes, type_name: str) -> Document:
    """The text of `data`; a page in XHTML is read as HTML. Raises `ReadError` for a damaged file without text."""
    text, metadata = decode_declared(data, _DECLARED)
    text = _PROLOG.sub(lambda match: "\n" * match.group().count("\n"), text)
    error = ""
    try:
        root = _parse(text)
    except expat.ExpatError as wrong:
        error = f"{expat.ErrorString(wrong.code)}, line {wrong.lineno}"
        root = _parse(_repaired(text, error))
    name = root.name
    if name in _HTML_ROOTS:
        return html.read(data, "html")
    builder = DocumentBuilder(type_name)
    if name in _FEEDS and any(element.name in _ENTRIES for element in root.descendants()):
        _add_feed(root, builder)
    else:
        title = next((element for element in root.descendants() if element.name == "title"), None)
        if title is not None and len(shown := plain(title.text())) <= _LONGEST_ENTITY:
            builder.title = shown
        _add_elements(root, builder)
    notice = f"what follows may be missing: {error}" if error else ""
    document = builder.document({"root": name, **metadata}, notice)
    if error and not document.text:
        raise ReadError(f"damaged XML file: {error}")
    return document


class _Element:
    """An element; `children`: its text and elements, in order. `mixed`: it holds text of its own."""

    __slots__ = ("attributes", "children", "line", "mixed", "name")

    def __init__(self, name: str, attributes: dict[str, str], line: int) -> None:
        self.name = name.rpartition(":")[2]
        self.attributes = attributes
        self.line = line
        self.children: list[Piece | _Element] = []
        self.mixed = False

    def elements(self) -> "list[_Element]":
        return [child for child in self.children if isinstance(child, _Element)]

    def descendants(self) -> "Iterator[_Element]":
        """The element and those in it, in the order of the document."""
        pending = [self]
        while pending:
            element = pending.pop()
            yield element
            pending += reversed(element.elements())

    def pieces(self) -> Iterator[Piece]:
        """All text in it, in order; a long or structured element inside is apart."""
        pending: list[Piece | _Element] = list(reversed(self.children))
        while pending:
            child = pending.pop()
            if isinstance(child, Piece):
                yield child
                continue
            inner: list[Piece | _Element] = list(reversed(child.children))
            apart = Piece(" ", None)
            pending += [apart, *inner, apart] if child.is_block() else inner

    def is_block(self) -> bool:
        if not self.mixed:
            return len(self.elements()) > 1
        return sum(len(child.text) for child in self.children if isinstance(child, Piece)) > _LONGEST_INLINE

    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces())

    def said(self) -> list[str]:
        """What its attributes say to people."""
        return [plain(value) for name, value in self.attributes.items() if _is_read(name.rpartition(":")[2], value)]


def _is_read(name: str, value: str) -> bool:
    if not any(letter.isalpha() for letter in value) or len(value) > _LONGEST_ATTRIBUTE:
        return False
    if _SILENT_ATTRIBUTES.fullmatch(name):
        return False
    return _READ_ATTRIBUTES.fullmatch(name) is not None or len(value.split()) > 1


def _parse(text: str) -> _Element:
    """The root element of `text`. Raises `ExpatError`."""
    parser = expat.ParserCreate("utf-8")
    parser.UseForeignDTD(True)  # an entity that is declared elsewhere is no error
    open_elements: list[_Element] = []
    roots: list[_Element] = []
    entities: dict[str, str] = {}

    def start(name: str, attributes: dict[str, str]) -> None:
        element = _Element(name, attributes, parser.CurrentLineNumber)
        if open_elements:
            open_elements[-1].children.append(element)
        else:
            roots.append(element)
        open_elements.append(element)

    def end(name: str) -> None:
        open_elements.pop()

    def say(data: str) -> None:
        if open_elements:
            top = open_elements[-1]
            top.children.append(Piece(data, parser.CurrentLineNumber))
            top.mixed = top.mixed or bool(data.strip())

    def declare(name: str, is_parameter: bool, value: str | None, *_: object) -> None:
        if value is not None and not is_parameter and len(value) <= _LONGEST_ENTITY and not {"&", "<"} & set(value):
            entities.setdefault(name, value)

    def other(data: str) -> None:
        # An entity, or markup that is no text.
        if data.startswith("&") and data.endswith(";"):
            say(entities.get(data[1:-1], html_entities.unescape(data) if data != html_entities.unescape(data) else ""))

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = say
    parser.EntityDeclHandler = declare
    parser.DefaultHandler = other
    parser.Parse(text.encode("utf-8", "replace"), True)
    return roots[0]


def _repaired(text: str, error: str) -> str:
    """`text`, which is not well-formed, as far as it can be read. Raises `ReadError` when nothing can."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, recover=True)
    root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    if root is None:
        raise ReadError(f"damaged XML file: {error}")
    before = text[: max(0, text.find("<"))].count("\n")
    return "\n" * before + str(etree.tostring(root, encoding="unicode"))


def _add_elements(root: _Element, builder: DocumentBuilder) -> None:
    pending = [root]
    while pending:
        element = pending.pop()
        for said in element.said():
            builder.lines(said, element.line)
        if not element.mixed:
            pending += reversed(element.elements())
            continue
        builder.flow(list(element.pieces()), end="\n")
        inside = [said for inner in element.descendants() if inner is not element for said in inner.said()]
        if inside:
            builder.lines(" ".join(inside), element.line)


def _add_feed(root: _Element, builder: DocumentBuilder) -> None:
    """Adds the title, the description and the entries of a feed to `builder`."""
    channels = [root, *(element for element in root.elements() if element.name == "channel")]
    for channel in channels:
        for child in channel.elements():
            if child.name == "title" and not builder.title:
                builder.title = plain(_markup(child))
            elif child.name in ("description", "subtitle"):
                builder.block(_markup(child), child.line)
    for entry in (element for element in root.descendants() if element.name in _ENTRIES):
        title = next((child for child in entry.elements() if child.name == "title"), None)
        if title is not None:
            builder.heading(1, _markup(title), shown=False)
        for child in entry.elements():
            _add_markup(child, builder)


def _markup(element: _Element) -> str:
    """The text of an element whose content may be HTML, escaped or not."""
    text = element.text()
    if "<" in text:
        return html.read_text(text, "html", {}).text
    return text.strip() or element.attributes.get("href", "") or " ".join(element.said())


def _add_markup(element: _Element, builder: DocumentBuilder) -> None:
    first = next((child.line for child in element.children if isinstance(child, Piece)), None) or element.line
    text = element.text()
    if "<" not in text:
        builder.flow(list(element.pieces()) if text.strip() else [Piece(_markup(element), element.line)])
        return
    page = html.read_text(text, "html", {})
    builder.text(page.text, [(offset, line + first - 1) for offset, line in page.line_starts or ()])
