"""Whether an index in PostgreSQL answers as one in a folder does.

    python -m benchmarks.engines.postgres_parity FOLDER URL QUERIES [--qrels FILE] [--model static] [--most 300]

FOLDER is indexed into a temporary folder and into the schema of URL, which must be new. QUERIES has one query a line,
`id<TAB>text` or just the text; FILE lines `query document relevance`, a document named by its file without a suffix
(TREC qrels with four columns, too). Prints, for each mode, how many lists of the first ten are the same, the largest
difference of a score, and nDCG@10 of both where there are judgements; for words, how far BM25 differs at most.
"""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.engines.judgements import ndcg, read_qrels, read_queries
from benchmarks.timing import turn_caches_off
from semsearch.indexing import IndexOptions, index_folders
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher


def main() -> None:
    turn_caches_off()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("url")
    parser.add_argument("queries", type=Path)
    parser.add_argument("--qrels", type=Path)
    parser.add_argument("--model", default="static")
    parser.add_argument("--most", type=int, default=300)
    asked = parser.parse_args()
    queries = read_queries(asked.queries)[: asked.most]
    qrels = read_qrels(asked.qrels) if asked.qrels else {}
    with tempfile.TemporaryDirectory() as scratch:
        local = os.path.join(scratch, "index")
        for index in (local, asked.url):
            print(index_folders([asked.folder], index, IndexOptions(model=asked.model)).summary())
        with Searcher(local, remember=False) as one, Searcher(asked.url, remember=False) as other:
            for mode in ("lexical", "dense", "hybrid"):
                _compare(one, other, mode, queries, qrels)


def _compare(
    one: Searcher, other: Searcher, mode: str, queries: list[tuple[str, str]], qrels: dict[str, dict[str, int]]
) -> None:
    options = SearchOptions(mode=mode, k=10, group="file", snippets=False, syntax=False, min_score=0)
    same, differences, bm25, gains = 0, [0.0], [0.0], ([], [])
    for number, text in queries:
        lists = [searcher.search(text, options).hits for searcher in (one, other)]
        same += [hit.path for hit in lists[0]] == [hit.path for hit in lists[1]]
        scores = [{hit.path: hit for hit in hits} for hits in lists]
        for path in scores[0].keys() & scores[1].keys():
            left, right = scores[0][path], scores[1][path]
            differences.append(abs(left.score - right.score))
            if left.lexical is not None and right.lexical is not None and left.chunk_id == right.chunk_id:
                bm25.append(abs(left.lexical - right.lexical))
        if number in qrels:
            for hits, found in zip(lists, gains, strict=True):
                names = [os.path.splitext(os.path.basename(hit.file))[0] for hit in hits]
                found.append(ndcg(names, qrels[number]))
    line = f"{mode:8} {same}/{len(queries)} lists alike, scores differ by {max(differences):.1e} at most"
    if mode == "lexical":
        line += f", BM25 by {max(bm25):.1e}"
    if gains[0]:
        line += f"; nDCG@10 {np.mean(gains[0]):.4f} in the folder, {np.mean(gains[1]):.4f} in PostgreSQL"
    print(line, flush=True)


if __name__ == "__main__":
    main()
