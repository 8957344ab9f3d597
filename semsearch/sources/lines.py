"""Which line of a file a character of its text stands in, where the text is not the file's own.

Text that a reader made (of HTML, a mailbox, a spreadsheet) has other line ends than the file. A passage records the
number of its first line, and only where counting its line ends would go wrong what the number is there.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise

# (offset in characters, number of the line that begins or goes on there), both rising in the offset.
LineStarts = tuple[tuple[int, int], ...]

_WORD = re.compile(r"\w+")
_NOT_WORD = re.compile(r"\W{0,100}")
# So many characters on, text that lacks some words of a line is looked for others of it.
_FAR = 500


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

    `lines`: (number, what it says) of each. `text` and the lines may have words that the other lacks, such as those of
    a tag that goes on in the next line: where they part, they go on together at two words, one after the other, that
    both have, not far on.
    """
    words = [(number, word) for number, said in lines for word in _WORD.findall(said) or [""]]
    starts: list[tuple[int, int]] = []
    position, last = 0, None
    for (number, word), (_, following) in pairwise([*words, (0, "")]):
        at = _find(text, position, word, following) if word else -1
        if not starts:
            starts.append((0, number))
        elif at >= 0 and number != last:
            starts.append((at, number))
        if at >= 0:
            position, last = at + len(word), number
    return tuple(starts)


def _find(text: str, position: int, word: str, following: str) -> int:
    """Where `word` is the next word of `text` from `position` on, or the next that `following` follows; -1: nowhere."""
    # What a line ends with may be the beginning of a word.
    begin = next_one.start() if (next_one := _WORD.search(text, position, position + _FAR)) else position
    if text.startswith(word, begin):
        return begin
    at = text.find(word, begin, begin + _FAR) if following else -1
    while at >= 0:
        after = _NOT_WORD.match(text, at + len(word))
        if after is not None and text.startswith(following, after.end()):
            return at
        at = text.find(word, at + 1, begin + _FAR)
    return -1


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
