"""nDCG@10 of lexical, dense and hybrid search, and of other ways to fuse them, with the real command.

python -m benchmarks.retrieval_quality [COLLECTION...] [--model NAME]
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.real_collections import Collection, every_name, load, ndcg_at_10

RUNS: dict[str, list[str]] = {
    "lexical": ["--mode", "lexical"],
    "dense": ["--mode", "dense"],
    "hybrid": [],
    "no smoothing": ["--no-smoothing"],
    "rrf": ["--fusion", "rrf"],
}


def semsearch(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "semsearch", *arguments], check=True, capture_output=True, text=True, encoding="utf-8"
    )
    return done.stdout


def build(collection: Collection, folder: Path, model: str | None = None) -> Path:
    """Indexes `collection` below `folder`; returns the index."""
    documents, index = collection.write(folder / "documents"), folder / "index"
    semsearch("index", str(documents), "--index", str(index), *(["--model", model] if model else []))
    return index


def measure(collection: Collection, index: Path, runs: dict[str, list[str]]) -> dict[str, float]:
    """nDCG@10 of each of `runs` (name -> flags of `search`); every document is a file, and hits are grouped by file."""
    queries = collection.write_queries(index.parent / "queries.jsonl")
    values = {}
    for name, flags in runs.items():
        output = semsearch(
            "search",
            "--queries",
            str(queries),
            "--format",
            "trec",
            "--group",
            "file",
            "-k",
            "10",
            "-i",
            str(index),
            *flags,
        )
        run_file = index.parent / "run.trec"
        run_file.write_text(output, encoding="utf-8")
        values[name] = ndcg_at_10(run_file, collection.qrels)
    return values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("collections", nargs="*", default=every_name())
    parser.add_argument("--model")
    chosen = parser.parse_args()
    print(f"{'nDCG@10':<12}" + "".join(f"{name:>14}" for name in RUNS))
    for name in chosen.collections:
        collection = load(name)
        with tempfile.TemporaryDirectory() as folder:
            values = measure(collection, build(collection, Path(folder), chosen.model), RUNS)
        print(f"{name:<12}" + "".join(f"{values[run]:>14.4f}" for run in RUNS), flush=True)


if __name__ == "__main__":
    main()
