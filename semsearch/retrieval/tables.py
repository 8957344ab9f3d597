"""The rows of tables in the text of a passage: where they are, and which cell stands under which head. Pure functions.

Text and web documents keep their tables as they are written, office documents have bars between cells, PDFs tabs
(`sources.readers.pdf_rows`), spreadsheets and CSV each cell with the name of its column before it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import NamedTuple

from semsearch.sources.table_header import is_header

# Each row is written as `column: value | column: value`.
_NAMED = frozenset({"csv", "xlsx", "xls", "ods"})
# Readers write the cells of a row with a bar between them.
_BARRED = frozenset(
    {"docx", "odt", "fodt", "odp", "fodp", "odg", "pptx", "rtf", "html", "mhtml", "epub", "email", "mbox", "msg", "xml"}
)
# Text in which `| a | b |` is a row.
_WRITTEN = frozenset({"", "text", "markdown", "notebook", "rst", "org", "asciidoc"})
_TABBED = frozenset({"pdf"})
_LINE = re.compile(r"[^\n]+")
_BAR = re.compile(r"(?:(?<=\s)|^)\|(?=\s|$)")
_WRITTEN_BAR = re.compile(r"(?<!\\)\|")
_PIPED = re.compile(r"\s*\|.*\|\s*")
# "|---|:--:|" of Markdown, "|---+---|" of Org, "+===+===+" of reStructuredText.
# Without the white space around it: a page may have a line of nothing else, with 100,000 blanks.
_RULE = re.compile(r"(?=.*[|+])[|+]?\s*:?[-=]+:?\s*(?:[|+]\s*:?[-=]+:?\s*)*[|+]?")
_SENTENCE_END = re.compile(r"[.!?]\s+\S")
_NAME = re.compile(r"([^|]{1,60}?): (?=\S)")
_VALUE = re.compile(r"(?!(?:1[5-9]|20)\d\d\b)[-+$€£]?\d|.*: ")
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d\b")
_PAIR = 2
# So many rows below a head on a page may be others than it tells of.
_NEAR = 3


@dataclass(frozen=True)
class Cell:
    """A cell of a row: its text, and the head of its `column`; None where it has none."""

    column: str | None
    text: str


class TableLine(NamedTuple):
    """A line of a table, without the white space around it; `table`: the same for all lines of one."""

    start: int
    end: int
    table: int
    is_head: bool


Row = tuple[Cell, ...]
Span = tuple[int, int]


def labelled(row: Sequence[Cell]) -> str:
    """`row` for people: each cell with its head."""
    return " | ".join(f"{cell.column}: {cell.text}" if cell.column else cell.text for cell in row)


def rows_in(text: str, type_name: str, head: str | None = None) -> dict[Span, Row]:
    """(start, end) of each row of `text` whose heads are known -> its cells that hold something.

    `type_name`: that of the document of `text`; `head`: as `continued_head` gives it.
    """
    if type_name in _NAMED:
        named = ((span, _named_cells(text, span)) for span in _lines(text))
        return {span: row for span, row in named if any(cell.column for cell in row)}
    found: dict[Span, Row] = {}
    for _, group in groupby(table_lines(text, type_name, head), key=lambda line: line.table):
        lines = list(group)
        own = [_cells(text[line.start : line.end], type_name) for line in lines if line.is_head]
        given = _cells(head, type_name) if head and lines[0].table == 0 else []
        rows = {
            (line.start, line.end): _cells(text[line.start : line.end], type_name) for line in lines if not line.is_head
        }
        heads = _aligned(own[0] if own else given, list(rows.values()))
        found |= {span: row for span, cells in rows.items() if (row := _under(heads, cells))}
    return found


def row_at(text: str, type_name: str, head: str | None, start: int, end: int) -> Row:
    """The cells of the row that characters `start` to `end` of `text` are; empty where they are none."""
    return rows_in(text, type_name, head).get((start, end), ())


def head_spans(text: str, type_name: str, head: str | None = None) -> list[Span]:
    """(start, end) of the rows of `text` that hold the heads of a table."""
    if type_name not in _NAMED:
        return [(line.start, line.end) for line in table_lines(text, type_name, head) if line.is_head]
    return [
        span
        for span, following in pairwise(_lines(text))
        if (names := {cell.column for cell in _named_cells(text, following) if cell.column})
        and names <= {part.strip() for part in text[slice(*span)].split(" | ")}
    ]


def table_lines(text: str, type_name: str, head: str | None = None) -> list[TableLine]:
    """The lines of `text` that are rows of tables, those of spreadsheets aside.

    `head`: of the table that `text` begins inside; None where it does not.
    """
    if ("\t" if type_name in _TABBED else "|") not in text:
        return []
    lines: list[TableLine] = []
    for number, (rows, ruled) in enumerate(_tables(text, type_name), 1):
        goes_on = number == 1 and head is not None and not text[: rows[0][0]].strip()
        if ruled is not None:
            own = ruled - 1
        else:
            cells = [_cells(text[start:end], type_name) for start, end in rows]
            own = 0 if not goes_on and _is_head(cells[0], cells[1:]) else -1
        lines += [TableLine(*span, 0 if goes_on else number, place == own) for place, span in enumerate(rows)]
    return lines


def continued_head(text: str, earlier: Iterable[str], type_name: str) -> str | None:
    """The head of the table that `text` begins inside, from the passages before it, the nearest first.

    None where it does not begin inside one; empty where the table has no head.
    """
    lines = table_lines(text, type_name)
    if not lines or text[: lines[0].start].strip():
        return None
    continues = False
    for before in earlier:
        lines = table_lines(before, type_name)
        if not lines or before[lines[-1].end :].strip():
            break
        continues = True
        own = [line for line in lines if line.table == lines[-1].table]
        begins = bool(before[: own[0].start].strip())
        heads = [before[line.start : line.end] for line in own if line.is_head]
        if heads and (begins or _has_rule(before, type_name)):
            return heads[0]
        if begins:
            return ""
        # What looks like the head of a table that goes back further may be a row.
        first = heads[0] if heads else ""
    return first if continues else None


def goes_on(before: str, after: str, type_name: str) -> bool:
    """Whether a passage that ends with `before` and the next, which begins with `after`, part inside a table."""
    last, first = before.rstrip().rpartition("\n")[2], after.lstrip().partition("\n")[0]
    return _is_row(last, type_name) and _is_row(first, type_name)


def _has_rule(text: str, type_name: str) -> bool:
    return any(_is_rule(line, type_name) for line in text.split("\n"))


def _tables(text: str, type_name: str) -> Iterator[tuple[list[Span], int | None]]:
    """The rows of each table of `text`, and which of them follows its rule: the line below the head."""
    rows: list[Span] = []
    ruled: int | None = None
    last = others = 0
    for line in _LINE.finditer(text):
        said = line.group()
        is_apart = text.count("\n", last, line.start()) > 1
        is_rule, is_row = _is_rule(said, type_name), _is_row(said, type_name)
        # The text of a cell may go on in the next line of a page, and a row may have one cell alone.
        others = 0 if is_row else others + 1
        is_other = not (is_rule or is_row) and (type_name in _WRITTEN or others > 1)
        if rows and (is_apart or is_other):
            yield from _table(text, type_name, rows, ruled)
            rows, ruled = [], None
        # Where tables of Org have one above their head, too, the next one counts.
        above_head = ruled == 0 and len(rows) == 1 and type_name == "org"
        if is_rule and (ruled is None or above_head) and (rows or "|" in said):
            ruled = len(rows)
        elif is_row:
            rows.append(_trimmed(said, line.start()))
        last = line.end()
    yield from _table(text, type_name, rows, ruled)


def _table(text: str, type_name: str, rows: list[Span], ruled: int | None) -> Iterator[tuple[list[Span], int | None]]:
    """The table itself; nothing where one line alone with a bar in it is a sentence."""
    if type_name in _TABBED and rows:
        yield from ((part, None) for part in _parts_with_heads(rows, text, type_name))
    elif len(rows) > 1 or (rows and (type_name not in _BARRED or not _SENTENCE_END.search(text, *rows[0]))):
        yield rows, ruled


def _is_rule(line: str, type_name: str) -> bool:
    return type_name in _WRITTEN and _RULE.fullmatch(line.strip()) is not None


def _is_row(line: str, type_name: str) -> bool:
    if type_name in _BARRED:
        return _BAR.search(line) is not None
    if type_name in _TABBED:
        return "\t" in line.strip()
    return type_name in _WRITTEN and _PIPED.fullmatch(line) is not None and not _is_rule(line, type_name)


def _is_head(head: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether `head` surely tells what stands in the columns of `rows`, the rows below it.

    It does where each cell of a column has a figure and its head has none, or is a year; or where there are no figures
    at all. In forms each row is made of names and what they name; of two columns without figures one cannot tell.
    """
    heads = _aligned(head, rows)
    below = [row for row in rows if len(row) == len(heads)]
    if not _may_be_head(head) or not below:
        return False
    columns = list(zip(*below, strict=True))[1:]
    if not any(map(_has_figure, (cell for row in below for cell in row))):
        return len(heads) > _PAIR
    figures = sum(
        (_YEAR.match(head) is not None or not _has_figure(head)) and _are_figures(column)
        for head, column in zip(heads[1:], columns, strict=True)
        if head
    )
    # One row alone may be the next line of a form.
    return figures > 0 if len(below) > 1 else len(heads) > _PAIR and figures * 2 >= len(columns)


def _may_be_head(cells: Sequence[str]) -> bool:
    """Whether `cells` are names, some at least, and no values: "3 kg", "July: 6 300"."""
    names = [cell for cell in cells if cell]
    years = sum(_YEAR.match(name) is not None for name in names)
    return (
        len(names) > 1
        and is_header(names)
        and not any(_VALUE.match(name) for name in names)
        # A single year is one, several are columns.
        and (years == 0 or years >= len(names) - 1)
    )


def _aligned(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """`heads` for the cells of `rows`; with an empty one before, where most of these begin with a name below none."""
    widths = [len(row) for row in rows]
    named = widths.count(len(heads) + 1) > widths.count(len(heads))
    return ["", *heads] if named else list(heads)


def _are_figures(column: Sequence[str]) -> bool:
    filled = [cell for cell in column if any(map(str.isalnum, cell))]  # not "-"
    return bool(filled) and all(map(_has_figure, filled))


def _has_figure(cell: str) -> bool:
    return any(map(str.isdigit, cell))


def _parts_with_heads(rows: Sequence[Span], text: str, type_name: str) -> Iterator[list[Span]]:
    """`rows`, which stand one after another on a page, cut where one of them may be the head of those below it."""
    cells = [_cells(text[start:end], type_name) for start, end in rows]
    begin = 0
    for number, own in enumerate(cells):
        near = cells[number + 1 : number + 1 + _NEAR]
        if number > begin and _may_be_head(own) and any(
            len(row) - len(own) in (0, 1) and any(map(_has_figure, row)) for row in near
        ):  # fmt: skip
            yield list(rows[begin:number])
            begin = number
    yield list(rows[begin:])


def _cells(line: str, type_name: str) -> list[str]:
    """The cells of a row, empty ones, too."""
    if type_name in _TABBED:
        return [cell.strip() for cell in line.strip(" ").split("\t")]
    if type_name in _BARRED:
        return [cell.strip() for cell in _BAR.split(line)]
    return [cell.strip().replace("\\|", "|") for cell in _WRITTEN_BAR.split(line.strip())[1:-1]]


def _under(heads: Sequence[str], cells: Sequence[str]) -> Row:
    """The cells that hold something, each with its head; empty where not each cell has its own."""
    if len(heads) != len(cells) or not any(heads):
        return ()
    return tuple(Cell(head or None, cell) for head, cell in zip(heads, cells, strict=True) if cell)


def _named_cells(text: str, span: Span) -> Row:
    cells = []
    for part in text[slice(*span)].split(" | "):
        name = _NAME.match(part)
        cells.append(Cell(name.group(1), part[name.end() :]) if name else Cell(None, part))
    return tuple(cells)


def _lines(text: str) -> list[Span]:
    return [_trimmed(line.group(), line.start()) for line in _LINE.finditer(text) if line.group().strip()]


def _trimmed(line: str, start: int) -> tuple[int, int]:
    begin = start + len(line) - len(line.lstrip())
    return begin, begin + len(line.strip())
