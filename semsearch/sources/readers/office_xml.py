"""Workbooks and texts that Office 2003 saved as XML (SpreadsheetML, WordML), and Word's flat documents of today."""

from collections.abc import Iterable

from semsearch.sources.document_builder import DocumentBuilder, Piece
from semsearch.sources.readers.xml_text import shown
from semsearch.sources.readers.xml_tree import APART, Element

_BETWEEN = Piece(" | ", None)
_PROPERTIES = {
    "Author": "author",
    "creator": "author",
    "LastSaved": "modified",
    "modified": "modified",
    "Created": "created",
    "created": "created",
    "Subject": "subject",
    "Keywords": "keywords",
}
# What Word writes between the runs of a paragraph, and what it keeps but does not show.
_BREAKS = frozenset({"tab", "br", "cr"})
_UNSEEN = frozenset({"delText", "instrText", "binData", "binaryData", "del", "moveFrom"})
_TEXT_ROOTS = frozenset({"wordDocument", "package"})


def is_workbook(root: Element) -> bool:
    return root.name == "Workbook" and bool(root.elements("Worksheet"))


def is_text(root: Element) -> bool:
    return root.name in _TEXT_ROOTS and next(root.descendants("t"), None) is not None


def add_workbook(root: Element, builder: DocumentBuilder) -> dict[str, object]:
    """Adds the sheets of a workbook, a line a row; returns its properties."""
    for sheet in root.elements("Worksheet"):
        builder.heading(1, sheet.attribute("Name"))
        for row in sheet.descendants("Row"):
            cells = [list(_cell(cell)) for cell in row.elements("Cell")]
            builder.flow(_joined(cells), end="\n")
            for note in row.descendants("Comment"):
                builder.flow([Piece(f"{note.attribute('Author')}: ", note.line), *note.pieces()], end="\n")
    return _properties(root, builder)


def _cell(cell: Element) -> Iterable[Piece]:
    for data in cell.elements("Data"):
        yield from data.pieces()
    if cell.attribute("HRef"):
        yield Piece(f" ({cell.attribute('HRef')})", cell.line)


def add_text(root: Element, builder: DocumentBuilder) -> dict[str, object]:
    """Adds the paragraphs of a text, a table row on a line; returns its properties."""
    for element in root.descendants("p", "tr"):
        if element.name == "tr":
            cells = [list(_paragraph(cell)) for cell in element.descendants("tc")]
            builder.flow(_joined(cells), end="\n")
        else:
            builder.flow(list(_paragraph(element)), end="\n")
    return _properties(root, builder)


def _paragraph(element: Element) -> Iterable[Piece]:
    """The text of the runs in `element`, in order."""
    pending = list(reversed(element.elements()))
    while pending:
        inner = pending.pop()
        if inner.name == "t":
            yield from inner.pieces()
        elif inner.name in _BREAKS:
            yield APART
        elif inner.name not in _UNSEEN:
            pending += reversed(inner.elements())
            if inner.name == "p":
                yield APART


def _joined(cells: list[list[Piece]]) -> list[Piece]:
    """The pieces of `cells`, with a bar between those that hold text."""
    pieces: list[Piece] = []
    for cell in cells:
        if any(piece.text.strip() for piece in cell):
            pieces += [*([_BETWEEN] if pieces else []), *cell]
    return pieces


def _properties(root: Element, builder: DocumentBuilder) -> dict[str, object]:
    """What the file says of itself; its title goes to `builder`."""
    found: dict[str, object] = {}
    for properties in root.descendants("DocumentProperties", "coreProperties"):
        for element in properties.elements():
            if element.name in ("Title", "title"):
                builder.title = builder.title or shown(element)
            elif element.name in _PROPERTIES:
                found.setdefault(_PROPERTIES[element.name], shown(element))
    return found
