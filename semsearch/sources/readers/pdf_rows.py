"""Rows of tables in a PDF, each on a line, with tabs between its cells. Pure functions.

pypdf gives many cells lines of their own, and others no more than a blank between them; pdfium tells what stands on one
line, and where there are gaps.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

# A page may have cells on lines of their own where so many short lines stand one after another, so many with a number,
# and rows where lines have several figures. Prose has neither, formulas seldom, and these are not read twice.
_SHORT_LINE = 40
_FEWEST_SHORT_LINES = 4
_FEWEST_NUMBERS = 2
_NUMBER = re.compile(r"\d{2}|\d[.,]\d")
_FIGURE = re.compile(r"(?<!\S)[^\w\s]{0,2}\d[\d.,%/:-]*(?!\S)")
_FEWEST_FIGURES = 2
_FEWEST_LINES_OF_FIGURES = 2
_LEADER = re.compile(r"[. \u2026_]{3,}")
# A row has another one so near: the text of a cell may go on in a line between.
_NEAR = 2
# Lines of the other text that may be passed over where both go on alike.
_FAR = 40
# Two cells are a row of a table among so many of the same kind, else a number or a name and what it stands before.
_PAIR = 2
_FEWEST_PAIRS = 3


def may_hold_cells(text: str) -> bool:
    """Whether a page with the `text`, as pypdf gives it, may hold the cells of a table, each on a line of its own."""
    short = numbers = 0
    for line in text.split("\n"):
        if 0 < len(line.strip()) <= _SHORT_LINE:
            short += 1
            numbers += _NUMBER.search(line) is not None
        else:
            short = numbers = 0
        if short >= _FEWEST_SHORT_LINES and numbers >= _FEWEST_NUMBERS:
            return True
    return False


def has_figures(text: str) -> bool:
    """Whether a page with the `text`, as pypdf gives it, may hold rows of a table."""
    run = 0
    for line in text.split("\n"):
        run = run + 1 if len(_FIGURE.findall(line)) >= _FEWEST_FIGURES else 0
        if run == _FEWEST_LINES_OF_FIGURES:
            return True
    return False


def in_rows(text: str, other: str) -> str:
    """`text` of a page with the lines joined that are one in `other`, the text of the same page from pdfium, which may
    have tabs in its wide gaps.

    Between the cells of a table stands a tab, between a number or name and what belongs to it a blank. No character
    but white space is changed.
    """
    rows = list(_groups(text.split("\n"), other.split("\n")))
    return "\n".join(
        ("\t" if _is_of_table(rows, number) else " ").join(cell.strip() for cell in row) if len(row) > 1 else row[0]
        for number, row in enumerate(rows)
    )


def _is_of_table(rows: Sequence[Sequence[str]], number: int) -> bool:
    """Whether one of `rows` is of a table: another one of about as many cells is near.

    Of two cells there must be more, and the first ones must be names: "1." and its text, or "Total:" and its sum, are
    no table.
    """
    width = len(rows[number])
    if any(_LEADER.fullmatch(cell.strip()) for cell in rows[number]):
        return False
    near = [*rows[max(0, number - _NEAR) : number], *rows[number + 1 : number + 1 + _NEAR]]
    if width > _PAIR:
        return any(len(row) > 1 and abs(len(row) - width) <= 1 for row in near)
    pairs = [row for row in near if len(row) == _PAIR]
    if not _may_name_row(rows[number][0]):
        return False
    return any(len(row) > _PAIR for row in near) or (
        len(pairs) + 1 >= _FEWEST_PAIRS and all(_may_name_row(row[0]) for row in pairs)
    )


def _groups(lines: Sequence[str], others: Sequence[str]) -> Iterator[list[str]]:
    """The cells of each row: those of `lines` that are one of `others`, or the pieces of that one between tabs."""
    bare = [_bare(line) for line in others]
    said = [_bare(line) for line in lines]
    whole, starts = "".join(said), [0, *accumulate(map(len, said))]
    at = place = 0
    while at < len(lines):
        ahead, count = place, 0
        while said[at] and not count and ahead < min(place + _FAR, len(others)):
            end = starts[at] + len(bare[ahead])
            after = bisect_left(starts, end)  # the line that begins where the other one ends
            if after > at and starts[after : after + 1] == [end] and whole.startswith(bare[ahead], starts[at]):
                count = after - at
            ahead += 1
        if count:
            place = ahead
        has_gaps = count == 1 and "\t" in others[ahead - 1]
        yield others[ahead - 1].split("\t") if has_gaps else list(lines[at : at + (count or 1)])
        at += count or 1


def _may_name_row(cell: str) -> bool:
    """Whether `cell` is no "Total:" and no "1." or "a)" of a list."""
    text = cell.strip()
    return len(text) <= _SHORT_LINE and any(map(str.isalpha, text)) and not text.endswith((":", ".", ")"))


def _bare(line: str) -> str:
    return "".join(line.split())
