"""Excel workbooks: each row as `header: value` pairs under its sheet's name, with its own row number; then what lies on
the sheet: comments, text boxes, pictures, charts, links, heads and feet.

The XML is read row by row: a sheet with one value far out has no more cells than it holds.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder, plain
from semsearch.sources.readers.comments import comment_by
from semsearch.sources.readers.drawing_text import paragraphs_of_drawing, unescaped
from semsearch.sources.readers.link_addresses import shown_address
from semsearch.sources.readers.number_format import shown_number
from semsearch.sources.readers.ooxml import Package, addresses_of_shapes, alternative_text, referred, relation_id
from semsearch.sources.table_writer import TableWriter
from semsearch.sources.xml_elements import child, local, named, whole

_CELL = re.compile(r"([A-Z]{1,3})(\d+)")
_WHOLE_NUMBER = re.compile(r"-?\d{16,}")
# Codes in heads and feet: fonts, sizes, colours, places; `&&` is a `&`.
_HEAD_CODES = re.compile(r'&(?:(&)|"[^"]*"|K(?:[0-9A-Fa-f]{6}|\d\d[+-]\d{3})|\d{1,3}|[PN][+-]\d+|[A-Za-z])')
_ADDRESS = re.compile(r"\S@\S|://|^www\.")
_HEADS = ("oddHeader", "oddFooter", "evenHeader", "evenFooter", "firstHeader", "firstFooter")
_SHAPES = ("sp", "pic", "graphicFrame", "cxnSp", "nvGrpSpPr")
_MOST_COLUMNS = 16_384
_MOST_ROWS = 1_048_576
# One string may be named by all cells of a row.
_MOST_CHARACTERS_OF_ROW = 1_000_000


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
    workbook = _Workbook(package, root, {one.kind: one.target for one in package.relations(main)})
    names = []
    for number, sheet in enumerate(named(root, "sheet"), 1):
        name = unescaped(sheet.get("name") or "")
        names.append(name)
        builder.heading(1, name, shown=False)
        relation = package.relation(main, relation_id(sheet))
        usual = f"xl/worksheets/sheet{number}.xml"  # where the part that tells it is damaged
        part = usual if relation is None else relation.target
        if package.is_first(part):
            workbook.read_sheet(part, name, builder)
    return builder.document({**metadata, "sheets": names}, package.missing.notice())


class _Workbook:
    """What the sheets of a workbook share: strings, formats, people. `parts`: kind of relation -> name of the part."""

    def __init__(self, package: Package, root: Any, parts: Mapping[str, str]) -> None:
        self._package = package
        properties = child(root, "workbookPr")
        self._epoch_1904 = properties is not None and (properties.get("date1904") or "0") not in ("0", "false")
        self._strings = [
            _rich_text(one) for one in package.elements(parts.get("sharedStrings", "xl/sharedStrings.xml"), "si")
        ]
        self._formats = _formats(package.part(parts.get("styles", "xl/styles.xml")))
        people = package.part(parts.get("person", "xl/persons/person.xml"))
        self._people = (
            {(one.get("id") or "").lower(): one.get("displayName") or "" for one in people}
            if people is not None
            else {}
        )

    def read_sheet(self, part: str, name: str, builder: DocumentBuilder) -> None:
        """Adds the rows of the sheet `part` to `builder`, with their numbers, and what lies on it."""
        table = TableWriter(builder)
        beside: list[tuple[str, int]] = []
        number = 0
        addresses: set[str] = set()
        for element in self._package.elements(part, "row", "hyperlink", *_HEADS):
            if builder.is_full:
                break
            if local(element) == "row":
                number = max(1, min(whole(element.get("r"), number + 1), _MOST_ROWS))
                cells = self._cells(element)
                if cells:
                    table.row_of(cells, number)
                    addresses |= {shown_address(text) or text for text in cells.values() if _ADDRESS.search(text)}
            elif local(element) == "hyperlink":
                target = self._package.address(part, relation_id(element))
                address = shown_address(target)
                if address not in addresses:  # else the cell tells it
                    beside.append((address, _row(element.get("ref") or "")))
            else:
                beside.append((_head(element.text or ""), 1))  # it is printed on every page
        table.end()
        if table.is_empty:
            builder.lines(name, 1)
        for text, row in beside:
            builder.lines(text, row)
        self._beside(part, builder)

    def _cells(self, row: Any) -> dict[int, str]:
        """Column from 0 -> value of the cells of `row` that have one."""
        values: dict[int, str] = {}
        length = 0
        for place, cell in enumerate(cell for cell in row if local(cell) == "c"):
            value = self._value(cell)
            length += len(value)
            if length > _MOST_CHARACTERS_OF_ROW:
                self._package.missing.tell(f"cells beyond {_MOST_CHARACTERS_OF_ROW:,} characters of a row left out")
                break
            if value:
                values[_column(cell.get("r") or "", place)] = value
        return values

    def _value(self, cell: Any) -> str:
        """The value of a cell as it is shown."""
        kind = cell.get("t") or "n"
        if kind == "inlineStr":
            inline = child(cell, "is")
            return _rich_text(inline) if inline is not None else ""
        value = child(cell, "v")
        raw = (value.text or "") if value is not None else ""
        if kind == "s":
            place = whole(raw, len(self._strings))
            return self._strings[place] if place < len(self._strings) else ""
        if kind == "b":
            return "TRUE" if raw == "1" else "FALSE" if raw == "0" else raw
        if kind != "n" or not raw:
            return unescaped(raw)
        style = whole(cell.get("s"), 0)
        format_id, code = self._formats[style] if style < len(self._formats) else (0, "")
        try:
            # A float does not keep all digits of a long number.
            number = Decimal(raw) if _WHOLE_NUMBER.fullmatch(raw) else float(raw)
            return shown_number(number, format_id, code, self._epoch_1904)
        except (ValueError, OverflowError):
            return raw  # no number, or one that no format can show

    def _beside(self, part: str, builder: DocumentBuilder) -> None:
        """Adds the comments and drawings that belong to the sheet `part`."""
        targets = [
            (one.kind, one.target)
            for one in self._package.relations(part)
            if not one.is_external and self._package.is_first(one.target)
        ]
        has_conversations = False
        for kind, target in targets:
            if kind == "threadedComment":
                has_conversations |= self._conversation(target, builder)
        for kind, target in targets:
            if kind == "comments":
                self._comments(target, has_conversations, builder)
            elif kind == "drawing":
                self._drawing(target, builder)

    def _conversation(self, part: str, builder: DocumentBuilder) -> bool:
        """Adds the comments of a conversation; returns whether there are any."""
        root = self._package.part(part)
        comments = list(named(root, "threadedComment")) if root is not None else []
        for one in comments:
            said = child(one, "text")
            author = self._people.get((one.get("personId") or "").lower(), "")
            _add_comment(builder, author, unescaped(said.text or "") if said is not None else "", one)
        return bool(comments)

    def _comments(self, part: str, has_conversations: bool, builder: DocumentBuilder) -> None:
        """Adds the comments of old versions. Those of `tc=...` stand in the place of a conversation, and say in some
        language that this version cannot show it: they are told where the conversation is lost."""
        root = self._package.part(part)
        if root is None:
            return
        authors = [one.text or "" for one in named(root, "author")]
        for one in named(root, "comment"):
            number = whole(one.get("authorId"), len(authors))
            author = authors[number] if number < len(authors) else ""
            if not author.startswith("tc="):
                _add_comment(builder, author, _rich_text(one).removeprefix(f"{author}:"), one)
            elif not has_conversations:
                _add_comment(builder, "", _rich_text(one), one)

    def _drawing(self, part: str, builder: DocumentBuilder) -> None:
        root = self._package.part(part)
        if root is None:
            return
        for anchor in root:
            row = next(named(anchor, "row"), None)
            number = min(whole(row.text, 0) + 1, _MOST_ROWS) if row is not None else 1
            for shape in named(anchor, *_SHAPES):
                for text in self._said_of_shape(part, shape):
                    for line in text.split("\n"):  # all of a text box lies at one row
                        builder.lines(line, number)

    def _said_of_shape(self, part: str, shape: Any) -> Iterator[str]:
        yield "\n".join(paragraphs_of_drawing(shape, lambda link: self._package.address(part, link)))
        yield from alternative_text(shape)
        yield from addresses_of_shapes(self._package, part, shape)
        yield from referred(self._package, part, shape)


def _add_comment(builder: DocumentBuilder, author: str, text: str, comment: Any) -> None:
    builder.lines(comment_by(author, text), _row(comment.get("ref") or ""))


def _head(text: str) -> str:
    """The text of a head or foot, without the codes in it."""
    return plain(_HEAD_CODES.sub(lambda match: match.group(1) or " ", unescaped(text)))


def _rich_text(element: Any) -> str:
    """The text of a string, in however many runs, without readings of its characters."""
    return "".join(
        unescaped(one.text or "")
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
    return [(whole(one, 0), codes.get(one, "")) for one in ids]


def _column(place: str, position: int) -> int:
    """The number from 0 of the column of the cell `place`, such as B7; `position`: where it stands in its row."""
    match = _CELL.fullmatch(place)
    if match is None:
        return position
    number = 0
    for letter in match.group(1):
        number = number * 26 + ord(letter) - ord("A") + 1
    return min(number, _MOST_COLUMNS) - 1


def _row(place: str) -> int:
    """The row of a cell or range, such as B7:C9; the first where it names none."""
    match = _CELL.match(place)
    return max(1, min(whole(match.group(2), 1), _MOST_ROWS)) if match else 1
