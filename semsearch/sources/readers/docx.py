"""Word documents: paragraphs with their automatic numbers, tables, text boxes, charts and diagrams in reading order;
notes and comments after the paragraph that refers to them; heads and feet of pages once; properties as metadata.
"""

from collections.abc import Iterator
from typing import Any

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder, plain
from semsearch.sources.readers.docx_numbering import Numbering
from semsearch.sources.readers.docx_styles import Styles
from semsearch.sources.readers.ooxml import Package, alternative_text, paragraphs_of_drawing, referred
from semsearch.sources.xml_elements import attribute, child, local

# What is not text: properties, what was deleted or moved away, codes of fields, readings that are set beside words.
_SILENT = frozenset(
    {"pPr", "rPr", "tblPr", "trPr", "tcPr", "sdtPr", "sectPr", "del", "moveFrom", "delText", "instrText",
     "delInstrText", "Fallback", "fldChar", "ctrlPr"}
)  # fmt: skip
_CHARACTERS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "softHyphen": "", "ptab": "\t"}
_MOST_NESTED = 200


def read(data: bytes, type_name: str) -> Document:
    """The text of `data` with a section for each heading."""
    package = Package(data)
    title, metadata = package.properties()
    builder = DocumentBuilder(type_name, title)
    _Reader(package, builder).read()
    return builder.document(metadata, package.notice())


class _Reader:
    """Reads one document into `builder`."""

    def __init__(self, package: Package, builder: DocumentBuilder) -> None:
        self._package = package
        self._builder = builder
        self._part = package.main_part("word/document.xml")
        relations = package.relations(self._part)
        self._addresses = {one.id: one.target for one in relations if one.is_external and one.kind == "hyperlink"}
        parts = {one.kind: one.target for one in relations if not one.is_external}
        self._margins = [one.target for one in relations if one.kind in ("header", "footer")]
        self._styles = Styles(package.part(parts.get("styles", "")))
        self._numbering = Numbering(package.part(parts.get("numbering", "")), self._styles)
        # Kind of reference -> id -> element with the text.
        self._notes = {
            "footnoteReference": self._by_id(parts.get("footnotes", ""), "footnote"),
            "endnoteReference": self._by_id(parts.get("endnotes", ""), "endnote"),
            "commentReference": self._by_id(parts.get("comments", ""), "comment"),
        }
        self._told: set[tuple[str, str]] = set()

    def _by_id(self, part: str, name: str) -> dict[str, Any]:
        root = self._package.part(part)
        found = [one for one in root if local(one) == name] if root is not None else []
        return {attribute(one, "id") or "": one for one in found if attribute(one, "type") is None}

    def read(self) -> None:
        root = self._package.root(self._part)
        if root is None:
            raise ValueError("no document in it")
        body = child(root, "body")
        self._blocks(body if body is not None else root)
        for kind, notes in self._notes.items():
            for number in notes:
                self._note(kind, number)  # what nothing refers to
        margins = [self._cell_text(self._package.part(part)) for part in self._margins]
        for text in dict.fromkeys(text for text in margins if text):
            self._builder.block(text)

    def _blocks(self, parent: Any) -> None:
        """Adds the paragraphs and tables below `parent`, in order, at any depth."""
        pending = [iter(parent)]
        while pending:
            element = next(pending[-1], None)
            if element is None:
                pending.pop()
            elif local(element) == "p":
                self._paragraph(element)
            elif local(element) == "tbl":
                self._table(element)
            elif local(element) not in _SILENT:
                pending.append(iter(element))

    def _paragraph(self, element: Any) -> None:
        text = "".join(self._text(element))
        level = self._styles.heading_level(element)
        if text.strip():
            number = self._numbering.label(element)
            shown = f"{number} {text}" if number else text
            if level is None:
                self._builder.block(shown)
            else:
                self._builder.heading(level, shown)
        self._beside(element)

    def _beside(self, element: Any) -> None:
        """Adds what a paragraph refers to: pictures, charts, diagrams, notes, comments."""
        for said in (*alternative_text(element), *referred(self._package, self._part, element)):
            self._builder.block(said)
        for one in element.iter():
            if local(one) in self._notes:
                self._note(local(one), attribute(one, "id") or "")

    def _note(self, kind: str, number: str) -> None:
        note = self._notes[kind].get(number)
        if note is None or (kind, number) in self._told:
            return
        self._told.add((kind, number))
        text = self._cell_text(note)
        if text:
            author = attribute(note, "author")
            self._builder.block(f"Comment by {author}: {text}" if kind == "commentReference" else text)

    def _table(self, table: Any) -> None:
        rows = []
        for row in _rows_of(table):
            cells = [self._cell_text(cell) for cell in _cells_of(row)]
            if any(cells):
                rows.append(" | ".join(cells))
        self._builder.block("\n".join(rows))
        self._beside(table)

    def _cell_text(self, cell: Any) -> str:
        """The text of a cell, a note, or a head, on one line; tables in it are read cell by cell."""
        if cell is None:
            return ""
        texts = ["".join(self._text(one)) for one in cell.iter() if local(one) == "p" and not _is_inside(one, cell)]
        return " ".join(plain(text) for text in texts if text.strip())

    def _text(self, paragraph: Any) -> Iterator[str]:
        """The text of a paragraph and of its text boxes."""
        pending: list[tuple[Iterator[Any], str]] = [(iter(paragraph), "")]
        while pending:
            element = next(pending[-1][0], None)
            if element is None:
                yield pending.pop()[1]
                continue
            name = local(element)
            if name == "t":
                yield element.text or ""
            elif name in _CHARACTERS:
                yield _CHARACTERS[name]
            elif name == "rt":
                pending.append((iter(()), ""))
            elif name == "ruby":
                reading = "".join(one.text or "" for one in element.iter() if _is_reading(one))
                pending.append((iter(element), f" ({reading}) " if reading else ""))
            elif name == "hyperlink":
                pending.append((iter(element), self._address(element)))
            elif name == "graphicData" and not any(local(one) == "txbxContent" for one in element.iter()):
                yield "".join(f"\n{text}" for text in paragraphs_of_drawing(element))
            elif name and name not in _SILENT and len(pending) < _MOST_NESTED:
                if name == "p":
                    yield "\n"
                pending.append((iter(element), ""))

    def _address(self, link: Any) -> str:
        """The address of a link, where its text does not tell it."""
        address = self._addresses.get(attribute(link, "id") or "", "").partition("://")[2].rstrip("/")
        text = "".join(one.text or "" for one in link.iter() if local(one) == "t")
        return f" ({address})" if address and address not in text else ""


def _is_reading(element: Any) -> bool:
    """Whether it is text of a reading beside a word (`rt` of a ruby)."""
    return local(element) == "t" and any(local(above) == "rt" for above in element.iterancestors())


def _is_inside(paragraph: Any, root: Any) -> bool:
    """Whether a paragraph stands in another one below `root`, as those of a text box do, which is read with that."""
    for above in paragraph.iterancestors():
        if above is root:
            return False
        if local(above) in ("p", "Fallback", "del", "moveFrom"):
            return True
    return False


def _rows_of(table: Any) -> Iterator[Any]:
    """The rows of a table, not those of tables in its cells."""
    pending = [iter(table)]
    while pending:
        element = next(pending[-1], None)
        if element is None:
            pending.pop()
        elif local(element) == "tr":
            yield element
        elif local(element) not in ("", "tbl", *_SILENT):
            pending.append(iter(element))


def _cells_of(row: Any) -> Iterator[Any]:
    pending = [iter(row)]
    while pending:
        element = next(pending[-1], None)
        if element is None:
            pending.pop()
        elif local(element) == "tc":
            yield element
        elif local(element) not in ("", *_SILENT):
            pending.append(iter(element))
