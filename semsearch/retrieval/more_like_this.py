"""Search by example: `--like FILE:LINE` names a passage of the index, which becomes the query."""

import os
import re

from semsearch.retrieval.searcher import Searcher
from semsearch.sources.names import display_path, shown_name
from semsearch.store.records import places_of

_PLACE = re.compile(r"(?P<path>.+):p?(?P<line>\d+)", re.DOTALL)


def passage_named(searcher: Searcher, place: str) -> tuple[str, frozenset[int]]:
    """(text, chunk ids) of the passage at `place`: `FILE`, `FILE:LINE` or `FILE:pPAGE`.

    FILE is a path as results show it, or one from the working folder. Raises `UsageError`.
    """
    match = _PLACE.fullmatch(place)
    path, line = (match["path"], int(match["line"])) if match else (place, None)
    return searcher.passage(_shown(searcher, path), line)


def _shown(searcher: Searcher, path: str) -> str:
    absolute = os.path.abspath(os.path.expanduser(path))
    roots = searcher.roots()
    for place, root in places_of(roots):
        inside = absolute.startswith(place.rstrip("/") + "/")
        if inside and (not root.is_here or os.path.exists(absolute)):
            return display_path(root.label, os.fsencode(os.path.relpath(absolute, place)), len(roots) > 1)
    return shown_name(path)
