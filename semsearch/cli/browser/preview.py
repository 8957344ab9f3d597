"""The passage that was found in its surroundings, with its lines, its best sentence and the words of the query."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType

from semsearch.cli.browser.lines import Lines, clean
from semsearch.retrieval.document_text import TextLine, numbered
from semsearch.retrieval.hit import Hit
from semsearch.retrieval.snippets import match_spans

# Characters of one line; a file may be one line.
_MOST_CHARACTERS = 4_000
# Lines above the best sentence that are seen at first.
_ABOVE = 3


@dataclass(frozen=True)
class MarkedLine:
    """A line of a document: what stands beside it, whether the passage has it, and its text with its marks."""

    beside: str
    of_passage: bool
    text: Text


@dataclass(frozen=True)
class Marked:
    """Lines around a hit; what is told of it stands in line `at`, from 0, at the character `column`."""

    lines: tuple[MarkedLine, ...]
    at: int
    column: int = 0


NOTHING = Marked((), 0)


def marked(hit: Hit, lines: Sequence[TextLine], keys: frozenset[str]) -> Marked:
    """`lines` of the file of `hit`, marked; `keys`: the terms that were looked for. The passage itself where the
    lines do not hold it. A pure function."""
    sentence = hit.text[slice(*hit.sentence)] if hit.sentence else hit.text
    found = _place_of(sentence, lines, hit.sentence_lines()[0], hit.page)
    if found is None:
        lines = _own_lines(hit)
        found = _place_of(sentence, lines, hit.sentence_lines()[0], hit.page) or (0, 0)
    whole = _place_of(hit.text, lines, hit.line_start, None)
    # Between the parts of a joined passage stands an empty line, which pages do not have.
    parts = [whole] if whole else [_place_of(part, lines, None, hit.page) for part in hit.text.split("\n\n")]
    languages = frozenset((hit.language,))
    made, offset, at, column = [], 0, 0, 0
    told = found[0] + (hit.told - hit.sentence[0] if hit.sentence else 0)
    for number, (line, own) in enumerate(zip(lines, numbered(lines), strict=True)):
        end = offset + len(line.text)
        is_first = offset <= told <= end
        if is_first:
            at = number
        of_passage = (
            any(part and part[0] <= end and offset < part[1] for part in parts)
            if whole or line.number is None
            else (hit.line_start or 0) <= line.number <= (hit.line_end or 0)
        )
        cut = max(0, min(told - offset - _MOST_CHARACTERS // 2, len(line.text) - _MOST_CHARACTERS)) if is_first else 0
        text = _cut(line.text, cut)
        if is_first:
            column = told - offset - cut
        begin, stop = found[0] - offset - cut, found[1] - offset - cut
        if stop > 0 and begin < len(text) and sentence:
            text.stylize("bold", max(0, begin), max(0, stop))
        for start, finish in match_spans(text.plain, keys, languages):
            text.stylize("bold yellow underline", start, finish)
        made.append(MarkedLine(_beside(line, own, lines, number), of_passage, text))
        offset = end + 1
    return Marked(tuple(made), at, column)


def _place_of(part: str, lines: Sequence[TextLine], line: int | None, page: int | None) -> tuple[int, int] | None:
    """(begin, end) of `part` in the text of `lines`, where it stands nearest to `line` of `page`."""
    whole = "\n".join(one.text for one in lines)
    places, begin = [], whole.find(part)
    while begin >= 0:
        places.append(begin)
        begin = whole.find(part, begin + max(1, len(part)))
    if not places or not part:
        return None

    def distance(begin: int) -> int:
        own = lines[whole.count("\n", 0, begin)]
        if line is not None and own.number is not None:
            return abs(own.number - line)
        return abs((own.page or 0) - (page or 0))

    nearest = min(places, key=distance) if len(places) > 1 else places[0]
    return nearest, nearest + len(part)


def _own_lines(hit: Hit) -> list[TextLine]:
    """The lines of the passage of `hit`."""
    lines, offset = [], 0
    for text in hit.text.split("\n"):
        page, number = hit.place_at(offset)
        lines.append(TextLine(text, number, page, hit.heading, True))
        offset += len(text) + 1
    return lines


def _beside(line: TextLine, own: int | None, lines: Sequence[TextLine], number: int) -> str:
    """The number of a line, or the page where that begins."""
    if line.number is not None:
        return "" if own is None else str(own)
    before = lines[number - 1].page if number else None
    return f"p{line.page}" if line.page is not None and line.page != before else ""


def _cut(line: str, begin: int) -> Text:
    """So much of `line` as is shown, without what a terminal would obey. As many characters as it had, so that places
    in it stay."""
    part = line[begin : begin + _MOST_CHARACTERS]
    return Text("".join(clean(one) if len(clean(one)) == 1 else " " if one == "\t" else "\0" for one in part))


class Preview(Lines):
    """The lines around a hit, wrapped to the width of the view."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
        Binding("space", "page_down", show=False),
        Binding("b", "page_up", show=False),
        Binding("g", "scroll_home", show=False),
        Binding("G", "scroll_end", show=False),
    ]

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._marked = NOTHING
        self._rows: list[Text] = []
        self._width = 0

    def show(self, found: Marked) -> None:
        """Shows other lines, from a little above the best sentence."""
        self._marked = found
        at = self._wrap()
        self._go_to(at)

    def count(self) -> int:
        return len(self._rows)

    def line(self, number: int, width: int) -> Text:
        return self._rows[number]

    def on_resize(self) -> None:
        if self.scrollable_content_region.width != self._width:
            at = self._wrap()
            self._go_to(at)

    def _go_to(self, row: int) -> None:
        """Scrolls to a little above `row`, once the view knows how many rows there are."""
        self.call_after_refresh(self.scroll_to, 0, max(0, row - _ABOVE), animate=False)

    def _wrap(self) -> int:
        """Makes rows of the lines; the first row of the best sentence."""
        self._width = self.scrollable_content_region.width
        lines = self._marked.lines
        beside = max((len(line.beside) for line in lines), default=0)
        width = max(8, self._width - beside - 3)
        rows: list[Text] = []
        at = 0
        for number, line in enumerate(lines):
            parts = line.text.wrap(self.app.console, width) if line.text.cell_len > width else [line.text]
            begin = 0
            for part, text in enumerate(parts or [Text()]):
                if number == self._marked.at and begin <= self._marked.column:
                    at = len(rows)
                begin += len(text)
                row = Text((line.beside if not part else "").rjust(beside), "dim")
                row.append(" ▎ " if line.of_passage else "   ", "cyan")
                row.append_text(text)
                row.rstrip()
                rows.append(row)
        self._rows = rows
        self.fit()
        return at
