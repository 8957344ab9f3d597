"""The text of a document as it is indexed, line by line, put together of its passages. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from semsearch.retrieval.deduplication import overlap
from semsearch.sources.lines import line_in
from semsearch.store.records import Passage


@dataclass(frozen=True)
class TextLine:
    """A line of a document: `number` in its file, from 1, and `page`, None where the format has none; `heading`: the
    headings above it. `follows`: it comes right after the line before, with nothing between them."""

    text: str
    number: int | None
    page: int | None
    heading: tuple[str, ...]
    follows: bool


def text_lines(passages: Sequence[Passage]) -> list[TextLine]:
    """The lines of the document that `passages`, all of them in order, were cut from: what two of them share once."""
    lines: list[TextLine] = []
    before: Passage | None = None
    for passage in passages:
        common = 0 if before is None or passage.is_first else _common(before, passage)
        own, before = _lines(passage, common), passage
        if lines and not passage.is_first and (common or _goes_on(lines[-1], own[0])):
            joint = "" if common else " "
            lines[-1] = replace(lines[-1], text=lines[-1].text + joint + own[0].text)
            own = own[1:]
        elif lines and passage.is_first:
            own[0] = replace(own[0], follows=False)
        elif lines:
            number = lines[-1].number
            own[0] = replace(own[0], follows=number is not None and own[0].number == number + 1)
        lines += own
    return lines


def selected(lines: Sequence[TextLine], first: int, last: int | None, pages: bool, around: int) -> list[TextLine]:
    """Those of `lines` whose number (`pages`: page) is from `first` to `last` (None: the end), with so many `around`
    them; empty where there is none."""
    wanted = [
        place
        for place, line in enumerate(lines)
        if (number := line.page if pages else line.number) is not None
        and first <= number
        and (last is None or number <= last)
    ]
    near = sorted({one for place in wanted for one in range(place - around, place + around + 1)})
    return [lines[place] for place in near if 0 <= place < len(lines)]


def _common(before: Passage, passage: Passage) -> int:
    """How many characters `passage` begins with that `before` ends with."""
    common = overlap(before.text, passage.text)
    if common and before.line_start is not None:
        # Lines that are repeated are no overlap: they have other numbers.
        begin = line_in(before.text, before.line_start, before.line_breaks, len(before.text) - common)
        common = common if begin == passage.line_start else 0
    return common


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
