"""nDCG@10 of hybrid search with and without dense feedback, and by the length of the candidate lists.

    python -m benchmarks.dense_feedback [COLLECTION...]

Feedback: the query vector plus `weight` times the mean of the vectors of its best `top` passages is searched again
(Rocchio 1971, as vector pseudo relevance feedback in Li et al. 2021, "Pseudo Relevance Feedback with Deep Language
Models and Dense Retrievers", section 3.2). Scores are computed from the vectors and postings of an index, and fused as
`search` does it.
"""

import argparse
import tempfile
from pathlib import Path

import ir_measures
import numpy as np

from benchmarks.retrieval_quality import build
from semsearch.embedding.calibration import fertility, script_of
from semsearch.embedding.embedder import unit_rows
from semsearch.embedding.open import open_recorded
from semsearch.lexical.analyzer import analyze_query
from semsearch.lexical.bm25 import PostingsBM25
from semsearch.retrieval import fusion
from semsearch.store.local.reader import OpenSnapshot
from tests.support.real_collections import NAMES, Collection, load

FEEDBACK = [(0.0, 0), (0.3, 3), (0.6, 3), (0.3, 5), (0.6, 10)]
DEPTHS = [30, 100, 300, 1000, 3000]


def runs(collection: Collection, index: Path) -> dict[str, float]:
    """nDCG@10 of hybrid search with each setting."""
    snapshot = OpenSnapshot(str(index))
    info = snapshot.info().model
    assert info is not None
    embedder = open_recorded(info, print)
    segments = snapshot.postings()
    vectors = np.concatenate([part.vectors.vectors(np.arange(len(part.ids))) for part in snapshot.dense_segments()])
    ids = np.concatenate([part.ids for part in snapshot.dense_segments()])
    order = np.argsort(ids)
    vectors = vectors[order]
    assert (ids[order] == np.concatenate([part.ids for part in segments])).all()
    rows = snapshot.catalog.connection.execute(
        "SELECT path FROM chunks JOIN files ON files.id = file_id ORDER BY chunks.id"
    )
    documents = [row[0].decode().removesuffix(".txt") for row in rows]
    languages = frozenset(code for part in segments for code in part.languages)
    bm25 = PostingsBM25(segments, [None] * len(segments))
    results: dict[str, list[ir_measures.ScoredDoc]] = {}
    for query_id, text in collection.queries.items():
        query = embedder.encode_query(text)
        query_fertility = fertility(text, embedder.tokenizer.tokens(text))
        alpha = fusion.adaptive_alpha(query_fertility, script_of(text), info.calibration)
        lexical = fusion.normalise_lexical(np.concatenate(bm25.query(analyze_query(text, languages)).segment_scores()))
        plain = vectors @ query
        settings = [(f"feedback {weight} x {top}", 1000, weight, top) for weight, top in FEEDBACK]
        settings += [(f"depth {depth}", depth, 0.0, 0) for depth in DEPTHS]
        for name, depth, weight, top in settings:
            cosines = plain
            if top:
                best = np.argsort(-plain)[:top]
                cosines = vectors @ unit_rows((query + weight * vectors[best].mean(0))[None])[0]
            dense = fusion.normalise_dense(cosines, info.calibration.background)
            kept = set(np.argsort(-dense)[:depth].tolist()) | set(np.argsort(-lexical)[:depth].tolist())
            fused = fusion.convex(dense, lexical, alpha)
            best_scores: dict[str, float] = {}
            for row in np.argsort(-fused)[:400].tolist():
                if row in kept:
                    best_scores.setdefault(documents[row], float(fused[row]))
            top_ten = list(best_scores.items())[:10]
            results.setdefault(name, []).extend(
                ir_measures.ScoredDoc(query_id, document, score) for document, score in top_ten
            )
    judged = [
        ir_measures.Qrel(query_id, document, gain)
        for query_id, of_query in collection.qrels.items()
        for document, gain in of_query.items()
    ]
    measure = ir_measures.nDCG @ 10
    return {name: float(ir_measures.calc_aggregate([measure], judged, run)[measure]) for name, run in results.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("collections", nargs="*", default=NAMES)
    chosen = parser.parse_args()
    table = {}
    for name in chosen.collections:
        collection = load(name)
        with tempfile.TemporaryDirectory() as folder:
            table[name] = runs(collection, build(collection, Path(folder)))
    print(f"{'nDCG@10':<18}" + "".join(f"{name:>12}" for name in table))
    for setting in next(iter(table.values())):
        print(f"{setting:<18}" + "".join(f"{values[setting]:>12.4f}" for values in table.values()))


if __name__ == "__main__":
    main()
