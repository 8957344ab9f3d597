"""How far the name of a document stands in a query: its file name, its title, or its path.

Who writes "3M annual report 2018 revenue" names the document to look in. Its passages say "the company", and those of
others may say 3M; BM25 alone counts a word of the name like any other. So the name is compared as a whole: the share of
the query that it holds, weighed by idf, times the share of the name that stands in the query, without which every
document with a common word in a long name would gain. `python -m benchmarks.known_titles` measures it.
"""

import os
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from semsearch.lexical.analyzer import passage_keys, query_pieces
from semsearch.lexical.language import FUNCTION_WORDS
from semsearch.lexical.query_word import Word, numbers_by_key
from semsearch.lexical.words import lower, words_of
from semsearch.store.records import DocumentName

# Names of files that stand for their folder.
_FOR_THE_FOLDER = frozenset({"index", "_index", "readme", "main", "__init__", "__main__", "mod", "default", "home"})
# Of a longer title, which is a sentence, the beginning is compared.
_MOST_WORDS = 30

_JOINTS = re.compile(r"[-_./\\]+")

# The keys of one word of a name.
_Keys = frozenset[str]


def name_scores(names: Sequence[DocumentName], words: Sequence[Word], idf: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n,) float32 in [0, 1]: how far each of `names` stands in a query of `words` with the weights `idf` (words,)."""
    numbers = numbers_by_key(words)
    total = float(idf.sum())
    scores = np.zeros(len(names), np.float32)
    known: dict[DocumentName, float] = {}
    for place, name in enumerate(names if total else ()):
        if name not in known:
            known[name] = max(_score(parts, numbers, idf) / total for parts in _parts(name))
        scores[place] = known[name]
    return scores


def _score(name: tuple[_Keys, ...], numbers: dict[str, list[int]], idf: NDArray[np.float32]) -> float:
    """The weight of the query's words in one `name`, times the share of its words that are words of the query.

    `numbers`: key -> the numbers of the query's words that have it.
    """
    found = [[number for key in keys & numbers.keys() for number in numbers[key]] for keys in name]
    held = {number for one in found for number in one}
    return float(idf[sorted(held)].sum()) * sum(map(bool, found)) / len(name) if held else 0.0


@lru_cache(maxsize=10_000)
def _parts(name: DocumentName) -> tuple[tuple[_Keys, ...], ...]:
    """The words of the file name, of the title, and of the whole path, each as its keys."""
    folder, file_name = os.path.split(os.fsdecode(name.path))
    stem = file_name.rpartition(".")[0] or file_name
    if lower(stem) in _FOR_THE_FOLDER:
        stem = os.path.basename(folder)
        folder = os.path.dirname(folder)
    return tuple(_keys(text, name.language) for text in (stem, name.title, f"{folder} {stem}"))


def _keys(text: str, language: str) -> tuple[_Keys, ...]:
    # A file name has hyphens and underscores where a query has spaces.
    words = words_of(_JOINTS.sub(" ", text))[:_MOST_WORDS]
    usual = FUNCTION_WORDS.get(language, frozenset())
    telling = [word for word in words if lower(word) not in usual] or words
    # As a query has them, so that one pair of characters is not the whole name.
    return tuple(frozenset(passage_keys(piece, language)) for word in telling for piece in query_pieces(word))
