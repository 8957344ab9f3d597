"""How often a query that is the title of a document, or the name of its file, or a question with that name in it, finds
that document first.

python -m benchmarks.known_titles FOLDER [--model NAME]

The folder is indexed as it is. Titles and names that several documents share are left out.
"""

import argparse
import os
import tempfile
from collections import Counter
from pathlib import Path

from semsearch.indexing import IndexOptions, index_folders
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.store.opening import read_index

# Questions that say nothing but the name.
_FORMS = ("what does {} do", "return value of {}", "{} examples")


def queries_of(index: str) -> dict[str, list[tuple[str, str]]]:
    """`titles`, `names` and `asked` -> (query, the path of the document it names)."""
    files = read_index(index, lambda snapshot: [file for file in snapshot.files() if file.status == "indexed"])
    named: dict[str, list[tuple[str, str]]] = {"titles": [], "names": []}
    for file in files:
        path = os.fsdecode(file.path)
        stem = Path(path).stem.replace("-", " ").replace("_", " ")
        for kind, query in (("titles", file.title), ("names", stem)):
            if any(letter.isalpha() for letter in query):
                named[kind].append((query, path))
    unique = {kind: _unique(pairs) for kind, pairs in named.items()}
    unique["asked"] = [(form.format(name), path) for name, path in unique["names"] for form in _FORMS]
    return unique


def _unique(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    counts = Counter(query.lower() for query, _ in pairs)
    return [(query, path) for query, path in pairs if counts[query.lower()] == 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--model")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        index = str(Path(scratch) / "index")
        index_folders([chosen.folder], index, IndexOptions(model=chosen.model))
        with Searcher(index) as searcher:
            for kind, pairs in queries_of(index).items():
                for mode in ("lexical", "hybrid"):
                    options = SearchOptions(mode=mode, k=10, group="file", snippets=False, syntax=False)
                    ranks = [_rank(searcher, query, path, options) for query, path in pairs]
                    first = sum(rank == 1 for rank in ranks) / max(1, len(ranks))
                    third = sum(0 < rank <= 3 for rank in ranks) / max(1, len(ranks))
                    print(f"{kind:7} {mode:8} {len(ranks):5} queries: first {first:.1%}, among three {third:.1%}")


def _rank(searcher: Searcher, query: str, path: str, options: SearchOptions) -> int:
    """The rank of the document `path`; 0: not among the results."""
    found = [hit.path for hit in searcher.search(query, options).hits]
    return found.index(path) + 1 if path in found else 0


if __name__ == "__main__":
    main()
