"""Which passages a query lets in: those with its phrases and without what it excludes, in files that filters let in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from semsearch.lexical.analyzer import key_beginnings, passage_keys
from semsearch.lexical.markup import without_markup
from semsearch.lexical.phrases import holds_phrase, phrase_units, phrase_words
from semsearch.lexical.query_word import Key, Word
from semsearch.lexical.words import words_of
from semsearch.retrieval.query_syntax import ParsedQuery
from semsearch.store.records import Filters

if TYPE_CHECKING:
    from semsearch.store.protocol import Selection, Snapshot

Ids = NDArray[np.int64]
# Terms that stand for the beginning of a word.
_MOST_COMPLETIONS = 1000
_CUT_AT_LINE_END = re.compile(r"(?<=[^\W\d_])-[ \t]*\n[ \t]*(?=[^\W\d_])")


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
    if query.excluded or query.excluded_prefixes:
        beginnings = [snapshot.holding([beginning_with(snapshot, one)]) for one in query.excluded_prefixes]
        phrases = [holding_phrase(snapshot, one) for one in query.excluded]
        without = np.unique(np.concatenate([*phrases, *beginnings]))
    both = replace(filters, also=query.filters) if query.filters else filters
    selection = snapshot.select(both, prefix, within, without)
    for asked in selection.unmatched if selection is not None else ():
        flag = "--path " if asked in filters.paths else "title:" if asked in query.filters.titles else "path:"
        notices.append(f"{flag}{asked} matches no indexed file")
    return selection


def beginning_with(snapshot: Snapshot, beginning: str) -> Word:
    """The keys of the words of the index that begin with `beginning`, those of most passages first."""
    languages = snapshot.languages()
    # As stems are what is indexed, `tomatoe*` is looked for by the stem of it, too.
    stems = [key for language in languages or {""} for key in passage_keys(beginning, language)[:1]]
    keys = snapshot.completions(key_beginnings(beginning, languages), _MOST_COMPLETIONS)
    return tuple(Key(key) for key in dict.fromkeys([*keys, *stems]))


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
    for number, type_name, text in snapshot.texts(ids):
        # Also as its words are: nothing tells whether a hyphen at the end of a line belongs to the word.
        if holds_phrase(text, units) or any(
            reading != text and holds_phrase(reading, units)
            for reading in (without_markup(text, type_name), _CUT_AT_LINE_END.sub("", text))
        ):
            yield number
