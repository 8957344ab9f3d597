"""Which line of a file a character of its text stands in, where the text is not the file's own.

Text that a reader made (of HTML, a mailbox, a spreadsheet) has other line ends than the file. A passage records the
number of its first line, and only where counting its line ends would go wrong what the number is there.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence

# (offset in characters, number of the line that begins or goes on there), both rising in the offset.
LineStarts = tuple[tuple[int, int], ...]

_WORD = re.compile(r"\w+")


def line_starts_of(text: str, first: int = 1) -> LineStarts:
    r"""(offset, line number) of every line of `text`, numbered from `first`; lines end at "\n"."""
    starts = [(0, first)]
    position = text.find("\n")
    while position >= 0:
        starts.append((position + 1, len(starts) + first))
        position = text.find("\n", position + 1)
    return tuple(starts)


def starts_in(text: str, lines: Iterable[tuple[int, str]]) -> LineStarts:
    """(offset, line number) where the words of each line begin in `text`, which was put together of them in order.

    `lines`: (number, what it says) of each. What `text` has besides, and where it lacks something, does no harm.
    """
    starts: list[tuple[int, int]] = []
    position = 0
    for number, said in lines:
        begin = -1
        for word in _WORD.findall(said):
            at = text.find(word, position)
            if at >= 0:
                begin = at if begin < 0 else begin
                position = at + len(word)
        if begin >= 0 or not starts:
            starts.append((max(begin, 0) if starts else 0, number))
    return tuple(starts)


def line_of(starts: Sequence[tuple[int, int]], offset: int) -> int:
    """The number of the line that holds the character at `offset`."""
    return starts[max(0, bisect_right(starts, (offset, 1 << 62)) - 1)][1]


def breaks_in(text: str, first: int, starts: Sequence[tuple[int, int]], begin: int) -> LineStarts:
    """Where counting line ends from line `first` on goes wrong in `text`, with the number there.

    `starts`: those of a document in which `text` stands at character `begin`. `line_in` reads what this returns.
    """
    breaks: list[tuple[int, int]] = []
    expected, counted_to = first, 0
    for position in range(bisect_right(starts, (begin, 1 << 62)), len(starts)):
        offset, line = starts[position][0] - begin, starts[position][1]
        if offset >= len(text):
            break
        expected += text.count("\n", counted_to, offset)
        counted_to = offset
        if line != expected:
            breaks.append((offset, line))
            expected = line
    return tuple(breaks)


def line_in(text: str, first: int, breaks: LineStarts, offset: int) -> int:
    """The number of the line of the character at `offset` of `text`, whose first line is `first`."""
    position = bisect_right(breaks, (offset, 1 << 62)) - 1
    base, line = breaks[position] if position >= 0 else (0, first)
    return line + text.count("\n", base, offset)
