"""Excel workbooks: each row as `header: value` pairs under its sheet's name, with its own row number; then what lies on
the sheet: comments, text boxes, pictures, charts, links, heads and feet.

The XML is read row by row: a sheet with one value far out has no more cells than it holds.
"""

import re
from collections.abc import Iterator
from typing import Any

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder, plain
from semsearch.sources.readers.number_format import shown_number
from semsearch.sources.readers.ooxml import Package, alternative_text, drawing_text, referred
from semsearch.sources.readers.pptx import attribute_of_relation
from semsearch.sources.table_writer import TableWriter
from semsearch.sources.xml_elements import child, local, named

_CELL = re.compile(r"([A-Z]{1,3})(\d+)")
# Codes in heads and feet: fonts, sizes, colours, places.
_HEAD_CODES = re.compile(r'&"[^"]*"|&K[0-9A-F]{6}|&\d+|&[A-Za-z]')
_HEADS = frozenset({"oddHeader", "oddFooter", "evenHeader", "evenFooter", "firstHeader", "firstFooter"})
_SHAPES = ("sp", "pic", "graphicFrame", "cxnSp")
_MOST_COLUMNS = 16_384


def read(data: bytes, type_name: str) -> Document:
    """The rows of all sheets of `data`, a section for each sheet. An .xlsb file, whose parts are binary, is read by
    `spreadsheet`."""
    package = Package(data)
    main = package.main_part("xl/workbook.xml")
    if main.endswith(".bin"):
        from semsearch.sources.readers import spreadsheet

        return spreadsheet.read(data, type_name)
    root = package.root(main)
    if root is None:
        raise ValueError("no workbook in it")
    title, metadata = package.properties()
    builder = DocumentBuilder(type_name, title)
    relations = package.relations(main)
    workbook = _Workbook(package, root, {one.kind: one.target for one in relations if not one.is_external})
    targets = {one.id: one.target for one in relations if not one.is_external}
    names = []
    for sheet in named(root, "sheet"):
        name = sheet.get("name") or ""
        names.append(name)
        builder.heading(1, name, shown=False)
        part = targets.get(attribute_of_relation(sheet), "")
        if not workbook.rows(part, builder):
            builder.lines(name, 1)
        workbook.beside(part, builder)
    return builder.document({**metadata, "sheets": names}, package.notice())


class _Workbook:
    """What the sheets of a workbook share: strings, formats, people. `parts`: kind of relation -> name of the part."""

    def __init__(self, package: Package, root: Any, parts: dict[str, str]) -> None:
        self._package = package
        properties = child(root, "workbookPr")
        self._epoch_1904 = properties is not None and (properties.get("date1904") or "0") not in ("0", "false")
        self._strings = _strings(package, parts.get("sharedStrings", ""))
        self._formats = _formats(package.part(parts.get("styles", "")))
        people = package.part(parts.get("person", ""))
        self._people = {one.get("id"): one.get("displayName") or "" for one in people} if people is not None else {}

    def rows(self, part: str, builder: DocumentBuilder) -> bool:
        """Adds the rows of the sheet `part` to `builder`, with their numbers; returns whether there are any."""
        file = self._package.opened(part)
        if file is None:
            return False
        table = TableWriter(builder)
        with file:
            for number, row in _elements(file, "row", "sheetData"):
                cells: dict[int, str] = {}
                for position, cell in enumerate(one for one in row if local(one) == "c"):
                    column = _column(cell.get("r") or "", position)
                    if text := self._value(cell):
                        cells[column] = text
                written = row.get("r") or ""
                if cells:
                    table.row_of(cells, int(written) if written.isdigit() else number)
        table.end()
        return not table.is_empty

    def _value(self, cell: Any) -> str:
        """The value of a cell as it is shown."""
        kind = cell.get("t") or "n"
        if kind == "inlineStr":
            inline = child(cell, "is")
            return _rich_text(inline) if inline is not None else ""
        value = child(cell, "v")
        raw = (value.text or "") if value is not None else ""
        if kind == "s":
            return self._strings[int(raw)] if raw.isdigit() and int(raw) < len(self._strings) else ""
        if kind == "b":
            return "TRUE" if raw == "1" else "FALSE" if raw == "0" else raw
        if kind != "n" or not raw:
            return raw
        style = cell.get("s") or "0"
        format_id, code = self._formats[int(style)] if style.isdigit() and int(style) < len(self._formats) else (0, "")
        try:
            return shown_number(float(raw), format_id, code, self._epoch_1904)
        except (ValueError, OverflowError):
            return raw  # no number, or one that no format can show

    def beside(self, part: str, builder: DocumentBuilder) -> None:
        """Adds what lies on the sheet `part`, and its heads and feet."""
        relations = self._package.relations(part)
        addresses = {one.id: one.target for one in relations if one.is_external and one.kind == "hyperlink"}
        file = self._package.opened(part)
        if file is not None:
            with file:
                for element in _ends(file):
                    if local(element) == "hyperlink":
                        address = addresses.get(attribute_of_relation(element), "")
                        builder.lines(address, _row(element.get("ref") or ""))
                    elif local(element) in _HEADS:
                        builder.lines(plain(_HEAD_CODES.sub(" ", element.text or "")))
        for relation in relations:
            if relation.is_external:
                continue
            if relation.kind in ("comments", "threadedComment"):
                self._comments(relation.target, builder)
            elif relation.kind == "drawing":
                self._drawing(relation.target, builder)

    def _comments(self, part: str, builder: DocumentBuilder) -> None:
        root = self._package.part(part)
        if root is None:
            return
        authors = [one.text or "" for one in root.iter() if local(one) == "author"]
        for one in root.iter():
            if local(one) == "comment":
                number = one.get("authorId") or ""
                author = authors[int(number)] if number.isdigit() and int(number) < len(authors) else ""
                text = _rich_text(one).removeprefix(f"{author}:")
            elif local(one) == "threadedComment":
                author, said = self._people.get(one.get("personId"), ""), child(one, "text")
                text = (said.text or "") if said is not None else ""
            else:
                continue
            # What old versions show in the place of a conversation, which is read itself.
            author = "" if author.startswith("tc=") else author
            if plain(text) and not text.startswith("[Threaded comment]"):
                row = _row(one.get("ref") or "")
                builder.lines(f"Comment by {author}: {plain(text)}" if author else f"Comment: {plain(text)}", row)

    def _drawing(self, part: str, builder: DocumentBuilder) -> None:
        root = self._package.part(part)
        if root is None:
            return
        for anchor in root:
            row = next((one.text or "" for one in anchor.iter() if local(one) == "row"), "")
            number = int(row) + 1 if row.isdigit() else None
            for shape in named(anchor, *_SHAPES):
                said = ["\n".join(drawing_text(one) for one in named(shape, "p"))]
                for text in (*said, *alternative_text(shape), *referred(self._package, part, shape)):
                    builder.lines(text, number)


def _elements(file: Any, name: str, inside: str) -> Iterator[tuple[int, Any]]:
    """(number from 1, element) of the elements called `name` in the one called `inside`; each is let go of then."""
    number = 0
    for element in _ends(file):
        if local(element) == name:
            number += 1
            yield number, element
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
        elif local(element) == inside:
            return


def _ends(file: Any) -> Iterator[Any]:
    """The elements of a part, each when it has ended."""
    from lxml import etree

    for _, element in etree.iterparse(file, resolve_entities=False, no_network=True, huge_tree=True):
        yield element


def _strings(package: Package, part: str) -> list[str]:
    file = package.opened(part) if part else None
    if file is None:
        return []
    with file:
        return [_rich_text(element) for _, element in _elements(file, "si", "sst")]


def _rich_text(element: Any) -> str:
    """The text of a string, in however many runs, without readings of its characters."""
    return "".join(
        one.text or ""
        for one in element.iter()
        if local(one) == "t" and local(one.getparent()) not in ("rPh", "phoneticPr")
    )


def _formats(root: Any) -> list[tuple[int, str]]:
    """(id, code) of the number format of each style of cells."""
    if root is None:
        return []
    codes = {one.get("numFmtId"): one.get("formatCode") or "" for one in named(root, "numFmt")}
    styles = child(root, "cellXfs")
    ids = [one.get("numFmtId") or "0" for one in styles] if styles is not None else []
    return [(int(one) if one.isdigit() else 0, codes.get(one, "")) for one in ids]


def _column(place: str, position: int) -> int:
    """The number from 0 of the column of the cell `place`, such as B7; `position`: where it stands in its row."""
    match = _CELL.fullmatch(place)
    if match is None:
        return position
    number = 0
    for letter in match.group(1):
        number = number * 26 + ord(letter) - ord("A") + 1
    return min(number, _MOST_COLUMNS) - 1


def _row(place: str) -> int | None:
    """The row of a cell or range, such as B7:C9."""
    match = _CELL.match(place)
    return int(match.group(2)) if match else None
