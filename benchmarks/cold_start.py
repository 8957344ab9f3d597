"""Milliseconds of whole commands, beside bare imports, a plain script, and a bare walk of the folder.

    python -m benchmarks.cold_start FOLDER INDEX [--rounds 15]

FOLDER must be what INDEX was made of (`semsearch index FOLDER --index INDEX`), and unchanged for two seconds. The plain
script is run for indexes of all-MiniLM-L6-v2 only. Also prints the peak memory of a search.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.timing import alternate, table, turn_caches_off

QUERY = "how do I limit memory and evict old keys"
IMPORTS = "import numpy, faiss, onnxruntime, tokenizers, typer, rich"
WALK = """
import os, sys
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        os.stat(os.path.join(folder, name))
"""
# What tutorials show: load the model, encode the query, search the index.
PLAIN = """
import sys, faiss
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[2])
index = faiss.read_index(sys.argv[1])
print(index.search(model.encode([sys.argv[3]], normalize_embeddings=True), 10))
"""


def write_flat_index(index: Path, target: Path) -> bool:
    """Writes the vectors of `index` as the flat FAISS file that the plain script reads.

    Returns whether they are vectors of the model that the script loads, `DEFAULT_MODEL`.
    """
    import faiss
    import numpy as np

    from semsearch.settings import DEFAULT_MODEL
    from semsearch.store.local.reader import OpenSnapshot

    snapshot = OpenSnapshot(str(index))
    vectors = np.concatenate([part.vectors.vectors(np.arange(len(part.ids))) for part in snapshot.dense_segments()])
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    faiss.write_index(flat, str(target))
    model = snapshot.info().model
    return model is not None and model.name == DEFAULT_MODEL


def main() -> None:
    turn_caches_off()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("index", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    chosen = parser.parse_args()
    from semsearch.embedding.resolve import resolve
    from semsearch.settings import DEFAULT_MODEL

    command = str(Path(sys.executable).with_name("semsearch"))
    flags = ["-i", str(chosen.index)]
    with tempfile.TemporaryDirectory() as folder:
        flat = Path(folder) / "flat.faiss"
        same_model = write_flat_index(chosen.index, flat)
        search = {
            "imports": [sys.executable, "-c", IMPORTS],
            "search (hybrid)": [command, "search", QUERY, *flags],
            "search (hybrid), asked before": ["env", "SEMSEARCH_QUERY_CACHE=1000", command, "search", QUERY, *flags],
            "search --mode lexical": [command, "search", QUERY, "--mode", "lexical", *flags],
            "status": [command, "status", *flags],
        }
        print(table(alternate(search, chosen.rounds), "imports"))
        if same_model:
            plain = [sys.executable, "-c", PLAIN, str(flat), resolve(DEFAULT_MODEL).folder, QUERY]
            times = alternate({"search (hybrid)": search["search (hybrid)"], "plain script": plain}, 3)
            print(table(times, "search (hybrid)"))
        walk = {
            "walk + stat": [sys.executable, "-c", WALK, str(chosen.folder)],
            "index, nothing changed": [command, "index", str(chosen.folder), *flags],
        }
        print(table(alternate(walk, 2 * chosen.rounds), "walk + stat"))
    subprocess.run(search["search (hybrid)"], check=True, stdout=subprocess.DEVNULL)
    for name in ("search (hybrid)", "status"):
        peak = _peak(search[name])
        print(f"peak memory of {name}: {peak:.0f} MB")


def _peak(command: list[str]) -> float:
    """Peak resident memory of `command` in megabytes, measured in a process that has no other child."""
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], check=True, capture_output=True, text=True)
    return int(done.stdout.splitlines()[-1]) * resource.getpagesize() / 4096 / 1000


if __name__ == "__main__":
    main()
