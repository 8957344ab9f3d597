"""Which passages a query lets in: those with its phrases and without what it excludes, in files that filters let in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from semsearch.lexical.analyzer import phrase_units, phrase_words
from semsearch.lexical.words import words_of
from semsearch.retrieval.query_syntax import ParsedQuery
from semsearch.store.records import Filters

if TYPE_CHECKING:
    from semsearch.store.protocol import Selection, Snapshot

Ids = NDArray[np.int64]
_MARK = "\x1f"


def select(
    snapshot: Snapshot, query: ParsedQuery, filters: Filters, prefix: str, notices: list[str]
) -> Selection | None:
    """What `query` and `filters` let in; None: all. `prefix` stands before shown paths. `notices` hears what is let in
    by neither. Raises `UsageError` for a type that does not exist."""
    within = None
    for phrase in query.phrases:
        ids = holding_phrase(snapshot, phrase)
        if not len(ids):
            notices.append(f'no passage holds "{phrase}" as it is written')
        within = ids if within is None else np.intersect1d(within, ids, assume_unique=True)
    without = None
    if query.excluded:
        without = np.unique(np.concatenate([holding_phrase(snapshot, one) for one in query.excluded]))
    both = replace(filters, also=query.filters) if query.filters else filters
    selection = snapshot.select(both, prefix, within, without)
    for glob in selection.unmatched if selection is not None else ():
        notices.append(f"{'--path ' if glob in filters.paths else 'path:'}{glob} matches no indexed file")
    return selection


def holding_phrase(snapshot: Snapshot, phrase: str) -> Ids:
    """(n,) the ids of the passages in which the words of `phrase` follow one another, rising.

    A single word counts in any of its forms. Passages that hold all words are found in the postings, and read.
    """
    words = phrase_words(phrase, snapshot.languages())
    if not words:
        return np.empty(0, np.int64)
    ids = snapshot.holding(words)
    if len(words_of(phrase)) == 1 and len(words) == 1:
        return ids
    return np.array(sorted(_confirmed(snapshot, ids, phrase_units(phrase))), np.int64)


def _confirmed(snapshot: Snapshot, ids: Ids, units: list[str]) -> Iterator[int]:
    wanted = _MARK + _MARK.join(units) + _MARK
    for number, text in snapshot.texts(ids):
        if wanted in _MARK + _MARK.join(phrase_units(text)) + _MARK:
            yield number
