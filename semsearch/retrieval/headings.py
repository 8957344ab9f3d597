"""Under which heading a sentence stands, where its passage is of several short sections. Pure functions."""

from itertools import pairwise

from semsearch.retrieval.hit import Hit

# Between the headings of sections that share none (`chunking.splitter`).
_BETWEEN = "; "


def heading_at(hit: Hit, offset: int) -> tuple[str, ...]:
    """The heading path of the character at `offset` of the text of `hit`.

    The passage's own, but where that names several sections: of these the last whose heading is a line of the text up
    to there, or whose rows, which begin anew in each sheet, hold it.
    """
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
