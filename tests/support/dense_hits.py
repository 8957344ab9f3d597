"""What the same few questions find by meaning, before and after a change of the vectors."""

from pathlib import Path

from semsearch.retrieval.searcher import Searcher, SearchOptions

QUERIES = ["who paints boats near the harbour", "bread at the market", "horses in winter", "the judges hide a letter"]


def hits(index: Path, mode: str = "dense") -> list[list[tuple[str, float]]]:
    with Searcher(str(index)) as searcher:
        return [
            [
                (hit.path, round(hit.score, 3))
                for hit in searcher.search(query, SearchOptions(mode=mode, fold=False, min_score=0)).hits
            ]
            for query in QUERIES
        ]
