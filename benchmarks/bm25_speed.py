"""Time of BM25 on a large index, beside rank_bm25 as it is commonly used: unpickle the object, score every document.

    python -m benchmarks.bm25_speed INDEX [--chunks 100000]

INDEX is any index with so many chunks (`benchmarks.million` makes one). Timed is a query with all that comes before it:
rank_bm25 unpickled from a file, the segment of semsearch opened. rank_bm25 gets the idf of semsearch, and the scores of
both are compared.
"""

import argparse
import pickle
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rank_bm25 import BM25Okapi

from benchmarks.timing import turn_caches_off
from semsearch.lexical.analyzer import analyze_query
from semsearch.lexical.bm25 import PostingsBM25
from semsearch.lexical.postings import Postings, merge
from semsearch.store.local import lexical_segment as segments
from semsearch.store.local.reader import OpenSnapshot

QUERY = "how do I limit the memory of a server and evict old keys in a cluster"


class SameIdf(BM25Okapi):  # type: ignore[misc]
    """rank_bm25 with the idf and the constants of semsearch: ln(1 + (N - n + 0.5) / (n + 0.5)), k1 1.2, b 0.75."""

    def _calc_idf(self, nd: dict[str, int]) -> None:
        self.idf = {word: np.log(1 + (self.corpus_size - count + 0.5) / (count + 0.5)) for word, count in nd.items()}


def documents_of(postings: Postings) -> list[list[str]]:
    """For each row its terms, repeated as often as they occur."""
    documents: list[list[str]] = [[] for _ in range(len(postings))]
    for number in range(len(postings.indptr) - 1):
        term = postings.term(number).decode()
        span = slice(int(postings.indptr[number]), int(postings.indptr[number + 1]))
        for row, tf in zip(postings.rows[span].tolist(), postings.tfs[span].tolist(), strict=True):
            documents[row] += [term] * tf
    return documents


def median(measure: Callable[[], object], rounds: int) -> float:
    """The median seconds of `measure` over `rounds` calls."""
    times = []
    for _ in range(rounds):
        clock = time.perf_counter()
        measure()
        times.append(time.perf_counter() - clock)
    return statistics.median(times)


def main() -> None:
    turn_caches_off()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path)
    parser.add_argument("--chunks", type=int, default=100_000)
    chosen = parser.parse_args()
    snapshot = OpenSnapshot(str(chosen.index))
    whole = snapshot.postings()
    words = analyze_query(QUERY, frozenset(code for part in whole for code in part.languages))
    print(f"{len(words)} query terms")
    bm25 = PostingsBM25(whole, [None] * len(whole))
    rows = sum(len(part) for part in whole)
    print(f"{rows:,} chunks, warm query: {median(lambda: bm25.query(words).segment_scores(), 15) * 1000:.1f} ms")
    warm = median(lambda: PostingsBM25(whole, [None] * len(whole)).query(words).segment_scores(), 15)
    print(f"{rows:,} chunks, warm query with lengths and averages computed anew: {warm * 1000:.1f} ms")

    keep = [part.ids <= whole[0].ids[0] + chosen.chunks - 1 for part in whole]
    part = merge([part for part, own in zip(whole, keep, strict=True) if own.any()],
                 [own for own in keep if own.any()], ("en",))  # fmt: skip
    reference = SameIdf(documents_of(part), k1=1.2, b=0.75)
    with tempfile.TemporaryDirectory() as folder:
        pickled = Path(folder) / "bm25.pkl"
        pickled.write_bytes(pickle.dumps(reference))
        files = segments.write_lexical(folder, "lex-000001", part)
        size = sum(size for size, _ in files.values())
        del reference
        terms = [key for word in words for key in word]

        def theirs() -> np.ndarray:
            loaded = pickle.loads(pickled.read_bytes())
            scores: np.ndarray = loaded.get_scores(terms)
            return scores

        def ours() -> np.ndarray:
            opened = segments.open_lexical(folder, "lex-000001", len(part), files)
            return PostingsBM25([opened], [None]).query([(key,) for key in terms]).segment_scores()[0]

        expected, got = theirs(), ours()
        np.testing.assert_allclose(got, expected, rtol=2e-4, atol=1e-4)
        slow, fast = median(theirs, 3), median(ours, 15)
        print(f"{len(part):,} chunks: pickle {pickled.stat().st_size / 1e6:.0f} MB, segment {size / 1e6:.0f} MB")
        print(f"open + query: rank_bm25 {slow:.2f} s, semsearch {fast * 1000:.1f} ms: {slow / fast:,.0f} x")
        print(f"largest difference of a score: {np.abs(got - expected).max():.1e}")


if __name__ == "__main__":
    main()
