"""Which passages a query lets in: those with its phrases and without what it excludes, in files that filters let in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from semsearch.lexical.analyzer import query_words, written_keys
from semsearch.lexical.forms import forms_of
from semsearch.lexical.phrases import Phrase, phrase_units
from semsearch.lexical.query_word import Key, Word
from semsearch.lexical.term_key import WRITTEN
from semsearch.lexical.words import words_of
from semsearch.retrieval.query_syntax import ParsedQuery
from semsearch.store.records import Filters

if TYPE_CHECKING:
    from semsearch.store.protocol import Selection, Snapshot

Ids = NDArray[np.int64]
# Terms that stand for the beginning of a word that is looked for; of one that is excluded all do.
_MOST_COMPLETIONS = 2000


class Restrictions:
    """What `query` and `filters` let in of `snapshot`. `prefix` stands before shown paths.

    `selection`: the passages that filters let in and that have the words of all phrases, None for all of the index.
    Which of them hold the phrases is known once they are read, so that is asked of candidates alone (`among`). Raises
    `UsageError` for a type that does not exist.
    """

    def __init__(self, snapshot: Snapshot, query: ParsedQuery, filters: Filters, prefix: str) -> None:
        self._snapshot = snapshot
        self._query = query
        self._filters = replace(filters, also=query.filters) if query.filters else filters
        self._own_filters = filters
        self._prefix = prefix
        languages = snapshot.languages()
        self._wanted = [Phrase(text) for text in query.phrases]
        # A word of one piece counts in any of its forms, a compound as it is written.
        single = {text: words_of(text)[0] for text in query.excluded if len(phrase_units(text)) == 1}
        compounds = [text for text in query.excluded if text not in single]
        self._unwanted = [Phrase(text) for text in (*query.excluded_phrases, *compounds)]
        self._is_in: dict[int, bool] = {}
        self._within: Ids | None = None
        if self._wanted:
            self._within = snapshot.holding([word for phrase in self._wanted for word in phrase.words()])
        without = [snapshot.holding(query_words(word, languages)[:1]) for word in single.values()]
        without += [snapshot.holding([beginning_with(snapshot, one, None)]) for one in query.excluded_prefixes]
        self._without = np.unique(np.concatenate(without)) if without else None
        self.selection = self._select(self._within, self._without)

    @property
    def are_read(self) -> bool:
        """Whether passages must be read to know which are let in."""
        return bool(self._wanted or self._unwanted)

    @property
    def passages_read(self) -> int:
        """How many passages have been read so far."""
        return len(self._is_in)

    def among(self, ids: Ids) -> Ids:
        """Those of `ids` (n,), which `selection` lets in, that are let in, in order."""
        if not self.are_read:
            return ids
        unread = np.array([number for number in ids.tolist() if number not in self._is_in], np.int64)
        for number, type_name, text in self._snapshot.texts(unread):
            self._is_in[number] = all(one.stands_in(text, type_name) for one in self._wanted) and not any(
                one.stands_in(text, type_name) for one in self._unwanted
            )
        return ids[[self._is_in[number] for number in ids.tolist()]] if len(ids) else ids

    def all_read(self) -> Selection | None:
        """The passages that are let in, when all that may be were read."""
        if self._within is not None:
            return self._select(self.among(self._within), self._without)
        held = [_holding(self._snapshot, phrase) for phrase in self._unwanted]
        held += [] if self._without is None else [self._without]
        return self._select(None, np.unique(np.concatenate(held)) if held else None)

    def notices(self, found: bool) -> list[str]:
        """What lets nothing in; `found`: whether there are passages that all of it lets in."""
        said = []
        for asked in self.selection.unmatched if self.selection is not None else ():
            asks = self._query.filters
            flag = "--path " if asked in self._own_filters.paths else "title:" if asked in asks.titles else "path:"
            said.append(f"{flag}{asked} matches no indexed file")
        if not said and self.selection is not None and self.selection.has_no_file:
            said.append("the filters let in no indexed file")
        for text in () if found or said else self._query.phrases:
            is_all = len(self._query.phrases) == 1 and not self._unwanted and self._wanted
            held = any(self._is_in.values()) if is_all else len(_holding(self._snapshot, Phrase(text)))
            if not held:
                said.append(f'no passage holds "{text}" as it is written')
        return said

    def _select(self, within: Ids | None, without: Ids | None) -> Selection | None:
        return self._snapshot.select(self._filters, self._prefix, within, without)


def _holding(snapshot: Snapshot, phrase: Phrase) -> Ids:
    """(n,) the ids of the passages of `snapshot` that hold `phrase`, rising."""
    ids = snapshot.holding(phrase.words())
    held = (number for number, type_name, text in snapshot.texts(ids) if phrase.stands_in(text, type_name))
    return np.array(sorted(held), np.int64)


def beginning_with(snapshot: Snapshot, beginning: str, most: int | None = _MOST_COMPLETIONS) -> Word:
    """The keys of the words of the index that begin with `beginning`, those of most passages first; None: of all."""
    keys = snapshot.completions(written_keys(forms_of(beginning).wholes[0]), most)
    # A word that occurs nowhere has a key, too.
    return tuple(Key(key) for key in keys) or (Key(WRITTEN + beginning),)
