"""The tree of an XML file: elements with their text, what their attributes say, and the line of each.

Entities are not expanded, but for short ones that hold no other, so that a few hundred bytes cannot become gigabytes;
nothing is fetched.
"""

import html as html_entities
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from xml.parsers import expat

from semsearch.sources.document_builder import Piece, plain
from semsearch.sources.encoded_data import is_encoded, without_data_addresses

_LONGEST_ENTITY = 200
# Attributes that people read, and those that only programs do; of others, those with several words.
_READ_ATTRIBUTES = re.compile(
    r"(?i).*(?:text|title|name|label|descr?|description|summary|caption|alt|tooltip|hint|message|comment|note|value|"
    r"content|author|creator|subject|keywords?|question|answer|url|email|phone|address|term)"
)
_LINKS = frozenset({"href", "target"})  # read where they lead to another site
_ADDRESS = re.compile(r"(?:https?|ftp)://|mailto:", re.IGNORECASE)
_SILENT_ATTRIBUTES = re.compile(
    r"(?i)xmlns.*|.*(?:id|ref|class|style|lang|space|type|version|encoding|schemalocation|transform)|d|font.*|points|"
    r"preserveaspectratio|path"
)
# A longer value is read if it consists of words.
_LONG_ATTRIBUTE = 2000
_LONGEST_WORDS = 30
_TAG_NAME = re.compile(rb"<[^\s/>]*")
_ATTRIBUTE = re.compile(rb"\s*([^\s=<>\"'/]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
# Elements whose text only programs read -> elements in which they are meant.
_PAGES = frozenset({"svg", "html", "stylesheet", "transform"})
_SILENT: dict[str, frozenset[str]] = {
    "script": _PAGES,
    "style": _PAGES,
    "binary": frozenset({"FictionBook"}),
    "data": frozenset({"plist"}),
}
_HOLDERS = frozenset().union(*_SILENT.values())
# Elements in the middle of text that begin something else, in the formats that books and papers are written in.
_BLOCKS = frozenset(
    """p para simpara formalpara footnote endnote note fn annotation li item listitem list itemizedlist orderedlist
    ul ol dl dt dd div blockquote section sect title subtitle head td th tr row cell entry table tgroup informaltable
    l lg v stanza poem figure fig caption equation disp-formula programlisting screen pre literallayout codeblock
    h1 h2 h3 h4 h5 h6 line sp speaker stage ab step cmd info result option textbox""".split()  # noqa: SIM905
)
# Elements without text that do not part the letters around them: marks that an editor cannot see.
_UNSEEN = frozenset(
    """wbr anchor bookmark bookmarkstart bookmarkend indexterm index target shy soft-hyphen x bx ex bpt ept it ph sc ec
    mrk g a b i u em strong span hi s font sub sup emph emphasis""".split()  # noqa: SIM905
)
# Elements that change how letters look: two beside each other may hold one word.
_LETTERS = frozenset(
    """b i u em strong span hi s small big tt code font sub sup emph emphasis bold italic underline strike mark ruby rb
    rt phrase tspan c g seg w""".split()  # noqa: SIM905
)
_NOTE_MARKS = frozenset({"bibr", "fn", "table-fn"})  # of references in papers: the number of a note after a word
# A longer element in the middle of text is no word, but a paragraph of its own.
_LONGEST_INLINE = 500
# Keeps apart what stands beside it.
APART = Piece(" ", None)

Said = Sequence[Sequence[Piece]]


class Element:
    """An element; `name` without its prefix.

    `children`: its text and elements, in order. `mixed`: it holds text of its own. `said`: what each of its attributes
    says to people, in pieces.
    """

    __slots__ = ("attributes", "children", "line", "mixed", "name", "said")

    def __init__(self, name: str, attributes: dict[str, str], line: int, said: Said) -> None:
        self.name = name.rpartition(":")[2]
        self.attributes = attributes
        self.line = line
        self.said = said
        self.children: list[Piece | Element] = []
        self.mixed = False

    def elements(self, *names: str) -> "list[Element]":
        """The elements directly in it; of `names`, if any."""
        return [child for child in self.children if isinstance(child, Element) and (not names or child.name in names)]

    def descendants(self, *names: str) -> "Iterator[Element]":
        """The element and those in it, in the order of the document; of `names`, if any, and none in these."""
        pending = [self]
        while pending:
            element = pending.pop()
            if not names or element.name in names:
                yield element
            if not names or element.name not in names:
                pending += reversed(element.elements())

    def attribute(self, name: str) -> str:
        """The attribute called `name`, in whatever namespace; empty where there is none."""
        return next((value for key, value in self.attributes.items() if key.rpartition(":")[2] == name), "")

    def pieces(self) -> Iterator[Piece]:
        """All text in it, in order; what is no part of the words around it is apart."""
        pending: list[Piece | Element] = list(reversed(self._parts()))
        while pending:
            child = pending.pop()
            if isinstance(child, Piece):
                yield child
                continue
            inner = list(reversed(child._parts()))
            pending += [APART, *inner, APART] if child._is_apart() else inner

    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces())

    def _parts(self) -> "list[Piece | Element]":
        """The children, those apart that stand beside each other as fields do."""
        if not self._has_fields():
            return self.children
        return [part for child in self.children for part in (child, APART)]

    def _has_fields(self) -> bool:
        """Whether it only groups elements that say one thing each."""
        if self.mixed or len(self.children) < 2:
            return False
        elements = self.elements()
        return len(elements) > 1 and not all(element.name.lower() in _LETTERS for element in elements)

    def _is_apart(self) -> bool:
        """Whether it stands in the middle of text without being part of a word."""
        name = self.name.lower()
        if name in _BLOCKS:
            return True
        if not self.children:
            return name not in _UNSEEN and self.attributes.get("break") != "no"
        if self.attributes.get("ref-type") in _NOTE_MARKS:
            return True
        if name == "tspan" and not {"x", "y", "dy"}.isdisjoint(self.attributes):
            return True  # written in another place of the picture
        if not self.mixed:
            return self._has_fields()
        return sum(len(child.text) for child in self.children if isinstance(child, Piece)) > _LONGEST_INLINE


def parse(text: str) -> Element:
    """The root element of `text`. Raises `ExpatError`."""
    parser = expat.ParserCreate("utf-8")
    parser.UseForeignDTD(True)  # an entity that is declared elsewhere is no error
    source = text.encode("utf-8", "replace")
    open_elements: list[Element] = []
    roots: list[Element] = []
    entities: dict[str, str] = {}
    holders: Counter[str] = Counter()
    silent = 0  # how many elements are open in one that only programs read, with itself

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal silent
        if silent:
            silent += 1
            return
        line = parser.CurrentLineNumber
        said = _said(attributes, source, parser.CurrentByteIndex, line) if attributes else ()
        element = Element(name, attributes, line, said)
        if open_elements:
            if element.name in _SILENT and any(holders[holder] for holder in _SILENT[element.name]):
                silent = 1
                return
            open_elements[-1].children.append(element)
        else:
            roots.append(element)
        if element.name in _HOLDERS:
            holders[element.name] += 1
        open_elements.append(element)

    def end(name: str) -> None:
        nonlocal silent
        if silent:
            silent -= 1
            return
        element = open_elements.pop()
        if element.name in _HOLDERS:
            holders[element.name] -= 1
        if element.mixed and _is_data(element):
            element.children, element.mixed = [], False

    def say(data: str) -> None:
        if open_elements and not silent:
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
    parser.Parse(source, True)
    return roots[0]


def _is_data(element: Element) -> bool:
    """Whether it holds nothing but the bytes of a picture or the like."""
    if sum(len(child.text) if isinstance(child, Piece) else 0 for child in element.children) <= _LONGEST_ENTITY:
        return False
    texts = [child.text for child in element.children if isinstance(child, Piece)]
    return len(texts) == len(element.children) and is_encoded("".join(texts))


def _said(attributes: dict[str, str], source: bytes, begin: int, line: int) -> Said:
    """What `attributes` say to people, those of the tag at byte `begin` of `source`, which stands in `line`."""
    read = {
        name: without_data_addresses(value)
        for name, value in attributes.items()
        if _is_read(name.rpartition(":")[2], value)
    }
    if not read:
        return ()
    if source.find(b"\n", begin, max(begin, source.find(b">", begin))) < 0 and not any(">" in v for v in read.values()):
        return [[Piece(plain(value), line)] for value in read.values()]
    said = []
    written = _tag_lines(source, begin, line)
    for name, value in read.items():
        at, raw = written.get(name, (line, ""))
        if "\n" in raw:
            # The parser has made blanks of the line ends.
            parts = raw.split("\n")
            said.append([Piece(html_entities.unescape(part) + "\n", at + n) for n, part in enumerate(parts)])
        else:
            said.append([Piece(plain(value), at)])
    return said


def _tag_lines(source: bytes, begin: int, line: int) -> dict[str, tuple[int, str]]:
    """Name -> (line in which the value begins, value as it is written), of the attributes of a tag."""
    written = {}
    tag = _TAG_NAME.match(source, begin)
    position = tag.end() if tag else begin
    while match := _ATTRIBUTE.match(source, position):
        group = 2 if match.group(2) is not None else 3
        name, value = match.group(1).decode("utf-8", "replace"), match.group(group).decode("utf-8", "replace")
        line += source.count(b"\n", position, match.start(group))
        written[name] = (line, value)
        line += value.count("\n")
        position = match.end()
    return written


def _is_read(name: str, value: str) -> bool:
    if name in _LINKS:
        return _ADDRESS.match(value) is not None and len(value) <= _LONG_ATTRIBUTE
    if not any(letter.isalpha() for letter in value) or _SILENT_ATTRIBUTES.fullmatch(name):
        return False
    words = len(value.split())
    if len(value) > _LONG_ATTRIBUTE and words * _LONGEST_WORDS < len(value):
        return False
    return words > 1 or _READ_ATTRIBUTES.fullmatch(name) is not None
