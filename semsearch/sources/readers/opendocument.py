"""OpenDocument texts, presentations, drawings and spreadsheets, also as flat XML.

Headings, paragraphs, lists, tables, shapes with their descriptions, and charts in reading order; notes and comments in
brackets at their place; values of forms, and heads and feet of pages, once at the end. A page for each slide; of a
spreadsheet each row as it is shown, with its number.
"""

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator
from typing import Any, NamedTuple

from semsearch.errors import ReadError
from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder, plain
from semsearch.sources.readers.comments import comment_by
from semsearch.sources.readers.damaged_parts import Missing, errors_of_damage
from semsearch.sources.readers.link_addresses import beside, shown_address
from semsearch.sources.readers.number_format import plain_number, shown_number
from semsearch.sources.readers.opendocument_lists import ListNumbers, level_of
from semsearch.sources.table_writer import TableWriter
from semsearch.sources.xml_elements import attribute, child, local, named, outermost, parsed, whole

_PROPERTIES = {
    "creator": "author", "subject": "subject", "keyword": "keywords", "description": "description",
    "creation-date": "created", "date": "modified",
}  # fmt: skip
_SILENT = frozenset(
    {"tracked-changes", "note-citation", "forms", "scripts", "sequence-decls", "font-face-decls", "dde-source"}
)
_PARAGRAPHS = ("p", "h")
_SHAPES = frozenset(
    {"frame", "custom-shape", "rect", "line", "ellipse", "circle", "polygon", "polyline", "path", "g", "caption",
     "connector", "text-box", "image", "object", "measure", "regular-polygon", "control", "page-thumbnail"}
)  # fmt: skip
# Comments and shapes of a cell are told behind its table.
_NOT_OF_CELL = _SHAPES | {"annotation"}
_SAID_OF_SHAPES = ("title", "desc")
_FIELDS_OF_SLIDES = {"header-decl": "use-header-name", "footer-decl": "use-footer-name",
                     "date-time-decl": "use-date-time-name"}  # fmt: skip
_DURATION = re.compile(r"(-?)P(?:(\d{1,9})D)?T?(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:[.,]\d*)?S)?")
_FORM_VALUES = ("current-value", "value", "label", "current-label")
_MARGINS = frozenset({"header", "footer", "header-left", "footer-left", "header-first", "footer-first"})
_MOST_BLANKS = 100
# Of a table in a text.
_MOST_COLUMNS = 64
# Rows and columns that are repeated to fill a sheet hold nothing; more of the same with text is no document.
_MOST_REPEATED = 1000
_MOST_REPEATED_CHARACTERS = 1_000_000
# Notes and text boxes that stand in one another.
_MOST_NESTED = 50
_TYPES = {"text": "odt", "presentation": "odp", "graphics": "odp", "spreadsheet": "ods"}


def read(data: bytes, type_name: str) -> Document:
    """The text of `data`. Raises `ReadError` when it is encrypted."""
    if not data.startswith(b"PK"):
        root = parsed(data)
        kind = _TYPES.get((attribute(root, "mimetype") or "").rpartition(".")[2].split("-")[0], "odt")
        return _Reader(None, kind).read(root, root, root)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        reader = _Reader(archive, type_name)
        manifest = reader.part("META-INF/manifest.xml")
        if manifest is not None and any(True for _ in named(manifest, "encryption-data")):
            raise ReadError("encrypted OpenDocument file: save it without its password")
        content = parsed(archive.read("content.xml"))
        return reader.read(content, reader.part("meta.xml"), reader.part("styles.xml"))


class _Open(NamedTuple):
    """An element of a paragraph that is being read: what is left in it, the text behind it, the address it leads to,
    and where its text begins."""

    inner: Iterator[Any]
    tail: str
    address: str
    begin: int


class _Reader:
    """Reads one document of the type `type_name`; `archive`: where its objects are, None for flat XML."""

    def __init__(self, archive: zipfile.ZipFile | None, type_name: str) -> None:
        self._archive = archive
        self._names = frozenset(archive.namelist()) if archive is not None else frozenset()
        self._type = type_name
        self._builder = DocumentBuilder(type_name)
        self._pages = 0
        self._missing = Missing()
        self._told: set[str] = set()
        self._depth = 0
        self._repeated = 0
        self._numbers = ListNumbers()

    def part(self, name: str) -> Any:
        """The root element of the part `name`, which the document can do without; None where it cannot be read, which
        the notice then tells."""
        if self._archive is None or name not in self._names:
            return None
        try:
            return parsed(self._archive.read(name))
        except errors_of_damage():
            self._missing.part(name)
            return None

    def read(self, content: Any, meta: Any, styles: Any) -> Document:
        """The document of these root elements; `meta` and `styles` may be None."""
        self._numbers = ListNumbers(styles, content)
        metadata = self._properties(meta)
        body = child(content, "body")
        if body is not None:
            self._blocks(body)
        self._builder.page(None)
        for text in dict.fromkeys([*self._form_values(content), *_fields_of_slides(content), *self._margins(styles)]):
            if text:
                self._builder.block(text)
        return self._builder.document(metadata, self._missing.notice())

    def _properties(self, meta: Any) -> dict[str, object]:
        properties = next(named(meta, "meta"), None) if meta is not None else None
        metadata: dict[str, object] = {}
        for element in properties if properties is not None else ():
            if local(element) == "title":
                self._builder.title = plain(element.text or "")
            elif local(element) in _PROPERTIES and element.text:
                key = _PROPERTIES[local(element)]
                before = f"{metadata[key]}, " if key == "keywords" and key in metadata else ""
                metadata[key] = before + element.text
        return metadata

    def _form_values(self, content: Any) -> Iterator[str]:
        for forms in named(content, "forms"):
            for element in forms.iter():
                if local(element) in ("", "property", "list-property", "list-value"):
                    continue  # settings of the program
                values = [attribute(element, name) for name in _FORM_VALUES]
                yield " ".join(dict.fromkeys(plain(value) for value in values if value))

    def _margins(self, styles: Any) -> Iterator[str]:
        for master in named(styles, "master-page") if styles is not None else ():
            for element in master:
                if local(element) in _MARGINS:
                    yield " ".join(plain(self._text(one)) for one in named(element, *_PARAGRAPHS))

    def _blocks(self, parent: Any) -> None:
        """Adds what is below `parent`, in order, at any depth."""
        pending = [iter(parent)]
        while pending:
            element = next(pending[-1], None)
            name = "" if element is None else local(element)
            if element is None:
                pending.pop()
            elif name == "h":
                self._builder.heading(level_of(element), self._text(element))
            elif name == "p":
                if text := self._text(element):
                    self._builder.block(text)
            elif name == "frame" and self._pages and attribute(element, "class") == "title":
                self._builder.heading(1, " ".join(self._said_of_shape(element)))
            elif name == "table":
                self._table(element)
            elif name in _SAID_OF_SHAPES:
                self._builder.block(element.text or "")
            elif name in ("object", "object-ole"):
                for text in self._object(element):
                    self._builder.block(text)
            elif name == "annotation":
                self._builder.block(self._comment(element))
            elif name == "a":
                if address := shown_address(attribute(element, "href") or ""):
                    self._builder.block(address)  # a shape that is a link
                pending.append(iter(element))
            elif name == "page":
                self._pages += 1
                self._builder.page(self._pages)
                pending.append(iter(element))
            elif name == "notes":
                notes = [self._text(one) for one in named(element, *_PARAGRAPHS)]
                self._builder.block("Notes: " + "\n".join(notes) if any(map(plain, notes)) else "")
            elif name and name not in _SILENT:
                pending.append(iter(element))

    def _table(self, table: Any) -> None:
        is_sheet = self._type == "ods"
        if is_sheet:
            name = attribute(table, "name") or ""
            self._builder.heading(1, name, shown=False)
        writer = TableWriter(self._builder)
        number = 1
        beside: list[tuple[str, int]] = []
        rows = []
        for row in named(table, "table-row", "shapes"):
            if local(row) == "shapes":
                beside += [(text, 1) for text in self._said_of_shape(row)]
                continue
            repeated = _repeats(row, "number-rows-repeated")
            cells: dict[int, str] = {}
            column = 0
            for cell in (one for one in row if local(one) in ("table-cell", "covered-table-cell")):
                width = _repeats(cell, "number-columns-repeated")
                text = self._cell(cell)
                beside += [(self._comment(one), number) for one in cell if local(one) == "annotation"]
                beside += [(said, number) for one in cell if local(one) in _SHAPES for said in self._said_of_shape(one)]
                if text:
                    cells |= dict.fromkeys(range(column, column + self._copies(width, len(text))), text)
                column += width
            if cells and is_sheet:
                for copy in range(self._copies(repeated, sum(map(len, cells.values())))):
                    writer.row_of(cells, number + copy)
            elif cells:
                rows.append(_barred(cells))
            number += repeated
        writer.end()
        if is_sheet and writer.is_empty:
            self._builder.lines(name, 1)
        if rows:
            self._builder.block("\n".join(rows))
        for text, place in beside:
            self._builder.block(text, place if is_sheet else None)

    def _copies(self, times: int, characters: int) -> int:
        """How often to tell a cell or row of so many `characters` that stands there so many `times`: all, or once."""
        repeated = (times - 1) * characters
        if times > _MOST_REPEATED or self._repeated + repeated > _MOST_REPEATED_CHARACTERS:
            self._missing.tell("cells that are repeated many times are told once")
            return 1
        self._repeated += repeated
        return times

    def _cell(self, cell: Any) -> str:
        """The text of a cell as it is shown, else its value; tables in it are read cell by cell."""
        own = outermost(cell, _PARAGRAPHS, _NOT_OF_CELL)
        shown = " ".join(plain(self._text(one)) for one in own).strip()
        return shown or _value_of(cell)

    def _comment(self, annotation: Any) -> str:
        author = child(annotation, "creator")
        text = " ".join(plain(self._text(one)) for one in named(annotation, *_PARAGRAPHS))
        return comment_by(author.text if author is not None else "", text)

    def _said_of_shape(self, shape: Any) -> list[str]:
        """The descriptions, paragraphs and objects of a shape, each apart."""
        said = []
        for one in named(shape, *_SAID_OF_SHAPES, *_PARAGRAPHS, "object"):
            if local(one) == "object":
                said += self._object(one)
            else:
                said.append(plain(one.text or "") if local(one) in _SAID_OF_SHAPES else self._text(one))
        return [text for text in said if text.strip()]

    def _object(self, element: Any) -> list[str]:
        """The texts of an embedded chart, formula or document."""
        name = posixpath.join(posixpath.normpath(attribute(element, "href") or ""), "content.xml")
        if name in self._told:
            return []  # one that holds itself
        part = self.part(name)
        if part is not None:
            self._told.add(name)
        root = element if part is None else part
        lines = []
        for one in named(root, "table-row", *_PARAGRAPHS, "annotation"):
            texts = [self._text(one)] if local(one) in _PARAGRAPHS else []
            if local(one) == "table-row":
                texts = [self._cell(cell) for cell in one if local(cell) == "table-cell"]
            elif local(one) == "annotation":  # a formula
                texts = [one.text or ""]
            lines.append(" | ".join(text for text in map(plain, texts) if text))
        return [line for line in dict.fromkeys(lines) if line]

    def _text(self, element: Any) -> str:
        """The text of a paragraph with its number; notes and comments stand in brackets at their place, shapes on
        lines. What is nested too deep is left out."""
        if self._depth == _MOST_NESTED:
            self._missing.tell(f"text nested more than {_MOST_NESTED} deep left out")
            return ""
        self._depth += 1
        text = self._text_within(element)
        self._depth -= 1
        return text

    def _text_within(self, element: Any) -> str:
        label = self._numbers.label(element)
        if child(element, "number") is not None:
            label = ""  # the text says it
        parts: list[str] = []
        pending: list[_Open] = []
        links = 0

        def enter(one: Any, tail: str, address: str = "") -> None:
            pending.append(_Open(iter(one), tail, address, len(parts)))
            parts.append(one.text or "")

        enter(element, "")
        while pending:
            one = next(pending[-1].inner, None)
            if one is None:
                ended = pending.pop()
                if ended.address:
                    links -= 1
                    parts.append(beside(ended.address, "".join(parts[ended.begin :])))
                parts.append(ended.tail)
                continue
            name, tail = local(one), one.tail or ""
            if name == "s":
                parts.append(" " * min(whole(attribute(one, "c"), 1), _MOST_BLANKS) + tail)
            elif name in ("tab", "line-break"):
                parts.append(("\t" if name == "tab" else "\n") + tail)
            elif name == "annotation":
                comment = self._comment(one)
                parts.append(f" ({comment}) {tail}" if comment else tail)
            elif name == "note":
                note = " ".join(plain(self._text(own)) for own in named(one, *_PARAGRAPHS))
                parts.append(f" ({note}) {tail}")
            elif name in _SHAPES:
                parts.append("".join(f"\n{text}\n" for text in self._said_of_shape(one)) + tail)
            elif name == "ruby-text":
                parts.append(f" ({one.text or ''}) {tail}")
            elif name == "a" and not links and (address := attribute(one, "href")):
                links += 1  # there are none in links
                enter(one, tail, address)
            elif name and name not in _SILENT:
                enter(one, tail)
            else:
                parts.append(tail)
        text = "".join(parts)
        if not text.strip():
            # A number alone is a cell of a column that numbers the rows.
            is_cell = label and any(local(above) == "table-cell" for above in element.iterancestors())
            return label if is_cell else ""
        return f"{label} {text}" if label else text


def _fields_of_slides(content: Any) -> Iterator[str]:
    """The heads, feet and dates that slides show."""
    pages = list(named(content, "page"))
    holders = [*pages, *(notes for page in pages if (notes := child(page, "notes")) is not None)]
    used = {(use, attribute(holder, use)) for holder in holders for use in _FIELDS_OF_SLIDES.values()}
    for element in named(content, *_FIELDS_OF_SLIDES):
        if (_FIELDS_OF_SLIDES[local(element)], attribute(element, "name")) in used:
            yield plain(element.text or "")


def _barred(cells: dict[int, str]) -> str:
    """A row of a text with bars between its cells, empty ones, too, unless what it holds stands far out."""
    width = max(cells) + 1
    columns = range(width) if width <= _MOST_COLUMNS else cells
    return " | ".join(cells.get(column, "") for column in columns)


def _value_of(cell: Any) -> str:
    """The value of a cell whose text the file does not keep, as it would be shown."""
    kind, value = attribute(cell, "value-type"), attribute(cell, "value") or ""
    if kind == "boolean":
        return (attribute(cell, "boolean-value") or "").upper()
    if kind == "time":
        return _clock(attribute(cell, "time-value") or "")
    if kind == "date":
        return (attribute(cell, "date-value") or "").removesuffix("T00:00:00").replace("T", " ")
    if kind == "string" or not value:
        return attribute(cell, "string-value") or value
    try:
        number = float(value)
    except ValueError:
        return value
    if kind == "percentage":
        return shown_number(number, 0, "0.##%")
    currency = attribute(cell, "currency")
    return f"{plain_number(number)} {currency}" if currency else plain_number(number)


def _clock(duration: str) -> str:
    """A span of time such as PT27H05M00S, as `27:05:00`."""
    match = _DURATION.fullmatch(duration)
    if match is None:
        return duration
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[1:])
    return f"{match.group(1)}{days * 24 + hours:02}:{minutes:02}:{seconds:02}"


def _repeats(element: Any, name: str) -> int:
    return max(1, whole(attribute(element, name), 1))
