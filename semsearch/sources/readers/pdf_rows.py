"""Rows of tables in a PDF, each on a line, with tabs between its cells. Pure functions.

pypdf gives many cells lines of their own, and others no more than a blank between them; pdfium tells what stands on one
line, and where there are gaps.
"""

import re
from collections.abc import Iterator, Sequence

# A page with so many short lines, one after another, or lines of figures, is asked for its rows; prose has none, and is
# not read twice.
_SHORT_LINE = 40
_FEWEST_SHORT_LINES = 4
_FIGURE = re.compile(r"(?<!\S)[^\w\s]{0,2}\d[\d.,%/:-]*(?!\S)")
_FEWEST_FIGURES = 2
_FEWEST_FIGURED_LINES = 3
# Lines of the other text that may be passed over where both go on alike.
_FAR = 40
# Two cells are a row of a table among so many of the same kind, else a number or a name and what it stands before.
_PAIR = 2
_FEWEST_PAIRS = 3


def may_hold_rows(text: str) -> bool:
    """Whether a page with the `text`, as pypdf gives it, may hold a table."""
    short = figured = 0
    for line in text.split("\n"):
        short = short + 1 if 0 < len(line.strip()) <= _SHORT_LINE else 0
        figured = figured + 1 if len(_FIGURE.findall(line)) >= _FEWEST_FIGURES else 0
        if short == _FEWEST_SHORT_LINES or figured == _FEWEST_FIGURED_LINES:
            return True
    return False


def in_rows(text: str, other: str) -> str:
    """`text` of a page with the lines joined that are one in `other`, the text of the same page from pdfium, which has
    tabs in its wide gaps.

    Between the cells of a table stands a tab, between a number or name and what belongs to it a blank. No character
    but white space is changed.
    """
    joined: list[str] = []
    run: list[list[str]] = []
    for cells in _groups(text.split("\n"), other.split("\n")):
        if len(cells) > 1:
            run.append(cells)
            continue
        joined += [*_separated(run), *cells]
        run = []
    return "\n".join([*joined, *_separated(run)])


def _groups(lines: Sequence[str], others: Sequence[str]) -> Iterator[list[str]]:
    """The cells of each row: those of `lines` that are one of `others`, or the pieces of that one between tabs."""
    bare = [_bare(line) for line in others]
    at = place = 0
    while at < len(lines):
        first = _bare(lines[at])
        ahead, count = place, 0
        while first and not count and ahead < min(place + _FAR, len(others)):
            count = _held(lines, at, bare[ahead]) if bare[ahead].startswith(first) else 0
            ahead += 1
        if count:
            place = ahead
        has_gaps = count == 1 and "\t" in others[ahead - 1]
        yield others[ahead - 1].split("\t") if has_gaps else list(lines[at : at + (count or 1)])
        at += count or 1


def _held(lines: Sequence[str], at: int, line: str) -> int:
    """How many of `lines`, from `at` on, are together `line`; 0: they are not."""
    said, count = "", 0
    while len(said) < len(line) and at + count < len(lines):
        said += _bare(lines[at + count])
        count += 1
    return count if said == line else 0


def _separated(rows: Sequence[list[str]]) -> list[str]:
    """Each of `rows`, which stand one after another, as one line."""
    pairs = [row for row in rows if len(row) == _PAIR]
    are_cells = len(pairs) >= _FEWEST_PAIRS and all(_may_name_row(first) for first, _ in pairs)
    return [("\t" if len(row) > _PAIR or are_cells else " ").join(cell.strip() for cell in row) for row in rows]


def _may_name_row(cell: str) -> bool:
    """Whether `cell` is no "Total:" and no "1." or "a)" of a list."""
    text = cell.strip()
    return len(text) <= _SHORT_LINE and any(map(str.isalpha, text)) and not text.endswith((":", ".", ")"))


def _bare(line: str) -> str:
    return "".join(line.split())
