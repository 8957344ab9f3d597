"""The text of a document as it is indexed, line by line, put together of its passages. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from semsearch.retrieval.deduplication import overlap
from semsearch.sources.lines import line_in
from semsearch.store.records import Passage

# Types whose lines have the numbers of rows in their sheet.
_SHEETS = frozenset({"xlsx", "xls", "ods", "fodt"})


@dataclass(frozen=True)
class TextLine:
    """A line of a document: `number` in its file, from 1, and `page`, None where the format has none; `heading`: the
    headings above it. `follows`: it comes right after the line before, with nothing between them, not even a blank
    line. `skips`: lines between the one before and it were not selected."""

    text: str
    number: int | None
    page: int | None
    heading: tuple[str, ...]
    follows: bool
    skips: bool = False


def text_lines(passages: Sequence[Passage]) -> list[TextLine]:
    """The lines of the document that `passages`, all of them in order, were cut from: what two of them share once.

    Those of each document of a file come in the order of their numbers: a mail tells its subject before its date,
    wherever those stand in the header. Only the rows of sheets are counted anew in each.
    """
    documents: list[list[Passage]] = []
    for passage in passages:
        if passage.is_first or not documents:
            documents.append([])
        documents[-1].append(passage)
    found: list[TextLine] = []
    for document in documents:
        lines = _joined(document)
        if document[0].file.type not in _SHEETS:
            lines = _by_number(lines)
        lines[0] = replace(lines[0], follows=not found)
        found += lines
    return found


def _joined(passages: Sequence[Passage]) -> list[TextLine]:
    """The lines of one document, in the order of its text."""
    lines: list[TextLine] = []
    before: Passage | None = None
    for passage in passages:
        common = 0 if before is None else _common(before, passage)
        own, before = _lines(passage, common), passage
        if lines and (common or _goes_on(lines[-1], own[0])):
            joint = "" if common else " "
            lines[-1] = replace(lines[-1], text=lines[-1].text + joint + own[0].text)
            own = own[1:]
        elif lines:
            number = lines[-1].number
            own[0] = replace(own[0], follows=number is not None and own[0].number == number + 1)
        lines += own
    return lines


def _by_number(lines: Sequence[TextLine]) -> list[TextLine]:
    """`lines` in the order of their numbers; those that have none stay behind the one before."""
    keys, number = [], 0
    for line in lines:
        number = number if line.number is None else line.number
        keys.append(number)
    found = [lines[place] for place in sorted(range(len(lines)), key=keys.__getitem__)]
    for place, (before, line, after) in enumerate(zip(found, found[1:], found[2:], strict=False), 1):
        # A blank line has no word by which its number could be known.
        if (
            not line.text
            and line.number is not None
            and before.number == line.number
            and after.number == line.number + 2
        ):
            found[place] = replace(line, number=line.number + 1)
    return found


def numbered(lines: Sequence[TextLine]) -> list[int | None]:
    """The number to show for each of `lines`: None for one whose number another shows, as a line of a page in HTML
    becomes several of text."""
    shown: list[int | None] = []
    before: int | None = None
    for place, line in enumerate(lines):
        after = lines[place + 1] if place + 1 < len(lines) else None
        is_empty = not line.text and after is not None and after.number == line.number
        shown.append(None if is_empty or line.number == before else line.number)
        before = before if is_empty else line.number
    return shown


def selected(lines: Sequence[TextLine], first: int, last: int | None, pages: bool, around: int) -> list[TextLine]:
    """Those of `lines` whose number (`pages`: page) is from `first` to `last` (None: the end), with so many `around`
    them; empty where there is none.

    Where `first` to `last` is inside of a paragraph that became one line, whose number is that of its beginning, that
    is taken.
    """
    wanted = [
        place
        for place, line in enumerate(lines)
        if (number := line.page if pages else line.number) is not None
        and first <= number
        and (last is None or number <= last)
    ]
    numbers = [line.number or 0 for line in lines]
    if not wanted and not pages and last is not None and first <= last and max(numbers, default=0) > first:
        wanted = [place for place, number in enumerate(numbers) if lines[place].text and 0 < number < first][-1:]
    around_them = {one for place in wanted for one in range(place - around, place + around + 1)}
    near = sorted(around_them.intersection(range(len(lines))))
    found = [lines[place] for place in near]
    for at, (before, place) in enumerate(pairwise(near), 1):
        if place != before + 1:
            found[at] = replace(found[at], follows=False, skips=True)
    return found


def _common(before: Passage, passage: Passage) -> int:
    """How many characters `passage` begins with that `before` ends with."""
    common = overlap(before.text, passage.text) or _common_line(before, passage)
    if common and before.line_start is not None:
        # Lines that are repeated are no overlap: they have other numbers.
        begin = line_in(before.text, before.line_start, before.line_breaks, len(before.text) - common)
        common = common if begin == passage.line_start else 0
    return common


def _common_line(before: Passage, passage: Passage) -> int:
    """How many characters the last line of `before` has, where `passage` begins with it: one that is too short to be
    told from chance by itself, unlike a line of the same number."""
    line = before.text[before.text.rfind("\n") + 1 :]
    return len(line) if before.line_start is not None and passage.text.startswith(line) else 0


def _lines(passage: Passage, begin: int) -> list[TextLine]:
    """The lines of `passage` from character `begin` on."""
    lines, offset = [], begin
    for text in passage.text[begin:].split("\n"):
        start = passage.line_start
        number = None if start is None else line_in(passage.text, start, passage.line_breaks, offset)
        lines.append(TextLine(text, number, passage.page, passage.heading, True))
        offset += len(text) + 1
    return lines


def _goes_on(line: TextLine, after: TextLine) -> bool:
    """Whether `after` is the rest of `line`, which a passage was cut in."""
    return line.number is not None and line.number == after.number and line.heading == after.heading
