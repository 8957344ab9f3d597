"""Under which heading a sentence stands, where its passage is of several short sections. Pure functions."""

from itertools import pairwise

from semsearch.retrieval.hit import Hit
from semsearch.sources.markdown_headings import headings_by_marks

# Between the headings of sections that share none (`chunking.splitter`).
_BETWEEN = "; "
_MARKED = frozenset({"markdown", "notebook"})


def heading_at(hit: Hit, offset: int) -> tuple[str, ...]:
    """The heading path of the character at `offset` of the text of `hit`.

    The passage's own, and below it the headings that Markdown has up to there. Where the passage's own names several
    sections: of these the last whose heading is a line of the text up to there, or whose rows, which begin anew in each
    sheet, hold it.
    """
    if hit.type in _MARKED:
        return _below(hit, offset)
    names = hit.heading[0].split(_BETWEEN) if len(hit.heading) == 1 else []
    if len(names) < 2 or hit.heading[0] == hit.title:  # one name is no choice
        return hit.heading
    begin = 0
    for number, name in enumerate(names):
        at = _line_that_is(hit.text, name, begin)
        if at < 0:
            return _sheet_at(hit, names, offset)
        if at > offset:
            return (names[max(0, number - 1)],)
        begin = at
    return (names[-1],)


def _below(hit: Hit, offset: int) -> tuple[str, ...]:
    # The line that the character stands in, too.
    end = hit.text.find("\n", offset)
    path: list[tuple[int, str]] = []
    for _, level, name in headings_by_marks(hit.text[: end if end >= 0 else None]):
        path = [*(above for above in path if above[0] < level), (level, name)]
    names = [name for _, name in path]
    several = hit.heading[0].split(_BETWEEN) if len(hit.heading) == 1 and hit.heading[0] != hit.title else []
    if names and names[0] in several and len(several) > 1:
        return tuple(names)
    # The passage begins with headings of its own path.
    while names and names[0] in hit.heading:
        names = names[1:]
    return (*hit.heading, *names)


def _line_that_is(text: str, name: str, begin: int) -> int:
    """Where in `text`, from `begin` on, the line begins that says `name`, be it marked as a heading; -1: nowhere."""
    for line in text[begin:].split("\n"):
        if line.strip(" \t#=*").casefold() == name.casefold():
            return begin
        begin += len(line) + 1
    return -1


def _sheet_at(hit: Hit, names: list[str], offset: int) -> tuple[str, ...]:
    """The name of the sheet, if the rows begin anew as often as there are further sheets."""
    lines = [place for place in hit.places if place.line is not None]
    starts = [
        place.offset
        for before, place in pairwise(lines)
        if (hit.place_at(place.offset - 1)[1] or 0) >= (place.line or 0) and before.offset < place.offset
    ]
    if len(starts) != len(names) - 1:
        return hit.heading
    return (names[sum(start <= offset for start in starts)],)
