"""Postings of learned sparse vectors: what BM25 computes of frequencies and lengths, a model has put into one number.

They are `Postings` whose terms are token numbers in decimal digits and whose frequencies are weights in whole steps
("impacts"; Anh and Moffat 2005, "Simplified similarity scoring using term ranks"), so that they are kept and merged as
those of words are. The score of a row is the sum over the query's tokens of both weights multiplied.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import IndexDamagedError
from semsearch.lexical.postings import Postings, assemble
from semsearch.lexical.sparse_vector import SparseVector


def build(ids: NDArray[np.int64], vectors: Sequence[SparseVector], step: float) -> Postings:
    """The postings of the chunks `ids` (n,), rising, with these `vectors`; `step`: the weight that is kept as 1."""
    sizes = np.array([len(one.tokens) for one in vectors], np.int64)
    tokens = np.concatenate([np.empty(0, np.int64), *(one.tokens for one in vectors)])
    weights = np.concatenate([np.empty(0, np.float32), *(one.weights for one in vectors)])
    impacts = np.rint(weights / np.float32(step))
    kept = impacts >= 1
    used, which = np.unique(tokens[kept], return_inverse=True)
    keys = [str(token).encode() for token in used.tolist()]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    rank = np.empty(len(keys), np.int64)
    rank[order] = np.arange(len(keys))
    rows = np.repeat(np.arange(len(ids)), sizes)[kept]
    lengths = np.bincount(rows, minlength=len(ids)).astype(np.int32)
    return assemble(ids, lengths, [keys[number] for number in order], rank[which], rows, impacts[kept], ())


def scores(part: Postings, query: SparseVector, step: float) -> NDArray[np.float32]:
    """(rows,) float32: the score of each row of `part`. Raises `IndexDamagedError` as `Postings.find` does."""
    total = np.zeros(len(part), np.float32)
    for token, weight in zip(query.tokens.tolist(), query.weights.tolist(), strict=True):
        rows, impacts = part.find(str(token))
        # A row occurs once in a term's postings, so that indexed addition counts it once.
        total[rows] += np.float32(weight * step) * impacts
    return total


def held_weights(part: Postings, query: SparseVector) -> NDArray[np.float32]:
    """(rows,) float32 in [0, 1]: how much of the weight of `query` is of tokens that each row of `part` has."""
    total = np.zeros(len(part), np.float32)
    for token, weight in zip(query.tokens.tolist(), query.weights.tolist(), strict=True):
        total[part.find(str(token))[0]] += np.float32(weight)
    return total / np.float32(max(float(query.weights.sum()), 1e-6))


def vectors_of(part: Postings, rows: NDArray[np.int64], step: float) -> list[SparseVector]:
    """The vector of each of the `rows` (n,), each once, of `part`, as it was kept. Raises `IndexDamagedError`."""
    part.check()
    place = np.full(len(part), -1, np.int64)
    place[rows] = np.arange(len(rows))
    wanted = np.flatnonzero(place[part.rows] >= 0)
    terms, which = np.unique(np.searchsorted(part.indptr, wanted, side="right") - 1, return_inverse=True)
    tokens = np.array([_token(part, term) for term in terms.tolist()], np.int64)[which]
    weights = part.tfs[wanted].astype(np.float32) * np.float32(step)
    order = np.lexsort((tokens, place[part.rows[wanted]]))
    bounds = np.searchsorted(place[part.rows[wanted]][order], np.arange(len(rows) + 1))
    return [
        SparseVector(tokens[order[low:high]], weights[order[low:high]])
        for low, high in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    ]


def _token(part: Postings, term: int) -> int:
    key = part.term(term)
    if not key.isdigit() or len(key) > len(str(1 << 32)):
        raise IndexDamagedError("a term of a sparse segment is no token")
    return int(key)
