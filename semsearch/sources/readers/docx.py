"""Word documents: paragraphs with their automatic numbers, tables, text boxes, charts and diagrams in reading order;
notes and comments after the paragraph that refers to them; heads and feet of pages once; properties as metadata.
"""

import io
from typing import Any

from semsearch.errors import ReadError
from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder, plain
from semsearch.sources.readers.comments import comment_by
from semsearch.sources.readers.damaged_parts import errors_of_damage
from semsearch.sources.readers.docx_numbering import Numbering
from semsearch.sources.readers.docx_styles import Styles
from semsearch.sources.readers.docx_text import SILENT, paragraph_text
from semsearch.sources.readers.ooxml import Package, addresses_of_shapes, alternative_text, referred, shown
from semsearch.sources.xml_elements import attribute, child, local, outermost

# Element that refers to a note -> (kind of the part, name of the element) that holds its text.
_NOTES = {
    "footnoteReference": ("footnotes", "footnote"),
    "endnoteReference": ("endnotes", "endnote"),
    "commentReference": ("comments", "comment"),
}
# What holds no rows or cells of the table that it stands in; what holds no paragraphs that are shown.
_NOT_OF_TABLE = SILENT | {"tbl"}
_NOT_SHOWN = frozenset({"Fallback", "del", "moveFrom"})
# Where they are when the part that tells it is damaged.
_USUAL_PARTS = {kind: f"word/{kind}.xml" for kind in ("styles", "numbering", "footnotes", "endnotes", "comments")}


def read(data: bytes, type_name: str) -> Document:
    """The text of `data` with a section for each heading."""
    package = Package(data)
    title, metadata = package.properties()
    builder = DocumentBuilder(type_name, title)
    _Reader(package, builder).read()
    return builder.document(metadata, package.missing.notice())


class _Reader:
    """Reads one document into `builder`."""

    def __init__(self, package: Package, builder: DocumentBuilder) -> None:
        self._package = package
        self._builder = builder
        self._part = package.main_part("word/document.xml")
        relations = package.relations(self._part)
        parts = _USUAL_PARTS | {one.kind: one.target for one in relations if not one.is_external}
        self._margins = dict.fromkeys(one.target for one in relations if one.kind in ("header", "footer"))
        self._styles = Styles(package.part(parts["styles"]))
        self._numbering = Numbering(package.part(parts["numbering"]), self._styles)
        # Kind of reference -> the part with the texts; and id -> element with the text.
        self._part_of = {kind: parts[part] for kind, (part, _) in _NOTES.items()}
        self._notes = {kind: self._by_id(self._part_of[kind], name) for kind, (_, name) in _NOTES.items()}
        self._told: set[tuple[str, str]] = set()
        # The texts of paragraphs whose end was deleted, and which go on with the next one.
        self._begun: list[str] = []

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
        self._end_begun()
        self._add_notes(self._unreferred(root))
        margins = [text for part in self._margins for text in self._margin(part)]
        for text in dict.fromkeys(text for text in margins if text):
            self._builder.block(text)

    def _unreferred(self, root: Any) -> list[tuple[str, str]]:
        """The notes that nothing refers to; those that deleted text refers to are deleted, too."""
        stories = [root, *(note for notes in self._notes.values() for note in notes.values())]
        names = [f"{{*}}{name}" for name in self._notes]
        referred_to = {_reference(one) for story in stories for one in story.iter(*names)}
        every = [(kind, number) for kind, notes in self._notes.items() for number in notes]
        return [one for one in every if one not in referred_to]

    def _margin(self, part: str) -> list[str]:
        """The texts of the head or foot `part`."""
        root = self._package.part(part)
        return [self._story(root, part), *self._said_of_pictures(root, part)] if root is not None else []

    def _blocks(self, parent: Any) -> None:
        """Adds the paragraphs and tables below `parent`, in order, at any depth."""
        for element in outermost(parent, ("p", "tbl", "altChunk"), SILENT):
            if local(element) == "p":
                self._paragraph(element)
            elif local(element) == "tbl":
                self._table(element)
            else:
                self._beside(element, self._part)

    def _paragraph(self, element: Any) -> None:
        label, text = self._shown(element, self._part)
        level = self._styles.heading_level(element)
        if text.strip():
            text = f"{label} {text}" if label else text
            if level is None:
                self._builder.block(text)
            else:
                self._builder.heading(level, text)
        self._beside(element, self._part)

    def _shown(self, paragraph: Any, part: str) -> tuple[str, str]:
        """(automatic number, text) of a paragraph; both empty where it goes on with the next one."""
        mark = child(paragraph, "pPr", "rPr")
        goes_on = mark is not None and any(local(one) in ("del", "moveFrom") for one in mark)
        label = "" if goes_on else self._numbering.label(paragraph)
        self._begun.append(paragraph_text(self._package, part, self._numbering, paragraph))
        return ("", "") if goes_on else (label, self._begun_text())

    def _begun_text(self) -> str:
        text = "".join(self._begun)
        self._begun = []
        return text

    def _end_begun(self) -> None:
        """Adds the text whose end was deleted, where no paragraph follows that it could go on with."""
        if text := self._begun_text():
            self._builder.block(text)

    def _beside(self, element: Any, part: str) -> None:
        """Adds what a paragraph or table refers to: pictures, charts, diagrams, other files, notes, comments."""
        self._add_notes(self._beside_but_notes(element, part))

    def _add_notes(self, references: list[tuple[str, str]]) -> None:
        """Adds the notes `references`, each followed by what it refers to, such as another note."""
        pending = references[::-1]
        while pending:
            pending += self._note(*pending.pop())[::-1]

    def _beside_but_notes(self, element: Any, part: str) -> list[tuple[str, str]]:
        """As `_beside`, but returns the notes and comments."""
        for said in self._said_of_pictures(element, part):
            self._builder.block(said)
        references = []
        for one in shown(element):
            if local(one) in self._notes:
                references.append(_reference(one))
            elif local(one) == "altChunk":
                self._file_within(one, part)
        # Also those of deleted text: what is said of it stays.
        return references + [_reference(one) for one in element.iter("{*}commentReference")]

    def _said_of_pictures(self, element: Any, part: str) -> list[str]:
        return [
            *alternative_text(element),
            *addresses_of_shapes(self._package, part, element),
            *referred(self._package, part, element),
        ]

    def _file_within(self, element: Any, part: str) -> None:
        """Adds the text of a file (HTML, text, Word) whose content stands at the place of `element`."""
        from semsearch.sources import document_types

        relation = self._package.relation(part, attribute(element, "id"))
        if relation is None or not self._package.is_first(relation.target):
            return
        name = relation.target
        try:
            content = self._package.content(name) or b""
            for document in document_types.documents(io.BytesIO(content), name):
                self._builder.text(document.text, [])
                if document.notice:
                    self._package.missing.tell(f"{name}: {document.notice}")
        except ReadError as error:
            if not error.skip:
                self._package.missing.part(name)
        except errors_of_damage():
            self._package.missing.part(name)

    def _note(self, kind: str, number: str) -> list[tuple[str, str]]:
        """Adds a note or comment that was not told; returns those that it refers to."""
        note = self._notes[kind].get(number)
        if note is None or (kind, number) in self._told:
            return []
        self._told.add((kind, number))
        part = self._part_of[kind]
        text = self._story(note, part)
        if text:
            self._builder.block(comment_by(attribute(note, "author"), text) if kind == "commentReference" else text)
        return self._beside_but_notes(note, part)

    def _table(self, table: Any) -> None:
        self._end_begun()
        rows = []
        for row in outermost(table, ("tr",), _NOT_OF_TABLE):
            cells = [self._story(cell, self._part) for cell in outermost(row, ("tc",), _NOT_OF_TABLE)]
            if any(cells):
                rows.append(" | ".join(cells))
        if rows:
            self._builder.block("\n".join(rows))
        self._beside(table, self._part)

    def _story(self, element: Any, part: str) -> str:
        """The text of a cell, a note, or a head, on one line; tables in it are read cell by cell."""
        before, self._begun = self._begun, []
        texts: list[str] = []
        # Those in paragraphs, as in a text box, are read with these.
        for paragraph in outermost(element, ("p",), _NOT_SHOWN):
            # A number alone is a cell of a column that numbers the rows.
            texts += self._shown(paragraph, part)
        texts.append(self._begun_text())
        self._begun = before
        return " ".join(text for text in map(plain, texts) if text)


def _reference(element: Any) -> tuple[str, str]:
    """(kind, id) of the note that `element` refers to."""
    return local(element), attribute(element, "id") or ""
