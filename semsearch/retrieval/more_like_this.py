"""Search by example: `--like FILE:LINE` names a passage of the index, which becomes the query."""

import re

from semsearch.retrieval.searcher import Searcher

_PLACE = re.compile(r"(?P<path>.+):p?(?P<line>\d+)", re.DOTALL)


def passage_named(searcher: Searcher, place: str) -> tuple[str, frozenset[int]]:
    """(text, chunk ids) of the passage at `place`: `FILE`, `FILE:LINE` or `FILE:pPAGE`.

    FILE is a path as results show it, or one from the working folder. Raises `UsageError`.
    """
    match = _PLACE.fullmatch(place)
    path, line = (match["path"], int(match["line"])) if match else (place, None)
    return searcher.passage(path, line)
