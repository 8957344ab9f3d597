"""How much passages are like a query by runs of four characters, which words share that are not the same.

Forms that a stemmer does not know, compounds and names written in two ways share most of their letters, and no stem.
Character n-grams meet all of these, and need no knowledge of a language (McNamee and Mayfield 2004, "Character N-Gram
Tokenization for European Language Text Retrieval"; n = 4 is best there, too). They are counted in the best candidates
only, so that no index holds them.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from semsearch.lexical.bm25 import K1, B
from semsearch.lexical.words import spaced_letters

_SPACE = ord(" ")
# Of a longer passage the beginning: the window of most models.
_MOST_CHARACTERS = 4000
# Passages whose runs are remembered, as queries about one subject find the same: at most 40 kB each.
_REMEMBERED = 500


def gram_scores(query: str, texts: Sequence[str]) -> NDArray[np.float32]:
    """(n,) float32, never negative: BM25 of `texts` by the character 4-grams of `query`, idf and length over `texts`.

    All 0 where they share none.
    """
    asked, often = np.unique(_grams(query), return_counts=True)
    found = [_grams(text[:_MOST_CHARACTERS]) for text in texts]
    lengths = np.array([len(one) for one in found], np.float32)
    if not len(asked) or not lengths.any():
        return np.zeros(len(texts), np.float32)
    counts = np.zeros((len(texts), len(asked)), np.float32)
    for count, own in zip(counts, found, strict=True):
        at = np.minimum(np.searchsorted(asked, own), len(asked) - 1)
        count += np.bincount(at[asked[at] == own], minlength=len(asked))
    held = (counts > 0).sum(0)
    idf = np.log(1 + (len(texts) - held + 0.5) / (held + 0.5))
    norm = K1 * (1 - B + B * lengths / lengths.mean())
    scores: NDArray[np.float32] = (counts * (K1 + 1) / (counts + norm[:, None])) @ (idf * often)
    return scores.astype(np.float32)


@lru_cache(maxsize=_REMEMBERED)
def _grams(text: str) -> NDArray[np.uint64]:
    """The 4-grams of the words of `text`, a space before and after each, as numbers; in any order, with repetitions."""
    # In scripts without spaces every pair of characters is searched anyway.
    codes = np.frombuffer(spaced_letters(text).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    if len(codes) < 4:
        return np.empty(0, np.uint64)
    is_space = codes == _SPACE
    # A code point has 21 bits: beyond the first 65,536 characters runs may be mistaken for others, which is rare.
    first, second, third = (codes[at : at - 3] << np.uint64(48 - 16 * at) for at in range(3))
    grams: NDArray[np.uint64] = (first ^ second ^ third ^ codes[3:])[~(is_space[1:-2] | is_space[2:-1])]
    return grams
