"""Measures chunks a second of one runtime, in a process of its own: torch and faiss in one process may crash.

    python -m semsearch.evaluation.runtime_speed RUNTIME TEXTS BATCHES

TEXTS: a JSON file with `info` (ModelInfo), `folder` (of the weights) and `texts`; BATCHES: sizes with commas. Prints
JSON: batch size -> chunks a second.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence

from semsearch.embedding.embedder import Embedder
from semsearch.embedding.model_info import ModelInfo

_WARM_UP = 4


def main(arguments: Sequence[str]) -> None:
    runtime, source, batches = arguments
    with open(source, encoding="utf-8") as file:
        task = json.load(file)
    printed = os.dup(1)
    os.dup2(2, 1)  # what libraries print
    with tempfile.TemporaryDirectory(
        dir=os.path.dirname(source)
    ) as working:  # goes with the parent's, if this is killed
        embedder = _open(runtime, ModelInfo.from_dict(task["info"]), task["folder"], working)
        embedder.encode(task["texts"][:_WARM_UP])
        speeds = {}
        for size in map(int, batches.split(",")):
            clock = time.perf_counter()
            for start in range(0, len(task["texts"]), size):
                embedder.encode(task["texts"][start : start + size])
            speeds[size] = len(task["texts"]) / (time.perf_counter() - clock)
    os.write(printed, json.dumps(speeds).encode())


def _open(runtime: str, info: ModelInfo, folder: str, working: str) -> Embedder:
    if runtime == "static":
        from semsearch.embedding.open import open_model
        from semsearch.embedding.resolve import resolve

        return open_model(resolve("static"), lambda message: None)
    from semsearch.embedding.export.transformer import open_runtime

    return open_runtime(runtime, info, folder, working)


if __name__ == "__main__":
    main(sys.argv[1:])
