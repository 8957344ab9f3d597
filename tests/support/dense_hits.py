"""What the same few questions find by meaning, before and after a change of the vectors."""

from pathlib import Path

from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from tests.support.found import Found

QUERIES = ["who paints boats near the harbour", "bread at the market", "horses in winter", "the judges hide a letter"]


def hits(index: Path, mode: str = "dense") -> Found:
    """(path, score) of the ten best for each of `QUERIES`."""
    options = SearchOptions(mode=mode, fold=False, min_score=0)
    with Searcher(str(index)) as searcher:
        return Found([(hit.path, hit.score) for hit in searcher.search(query, options).hits] for query in QUERIES)
