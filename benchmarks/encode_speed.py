"""Chunks a second of the embedder that `index` uses, beside `SentenceTransformer.encode` on the same chunks, and the
processor's time for each, which others on a busy machine take less away from.

python -m benchmarks.encode_speed INDEX [--chunks 320] [--rounds 3]
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.timing import turn_caches_off
from semsearch.chunking.chunk import prefix_of
from semsearch.embedding.open import open_model
from semsearch.embedding.resolve import resolve
from semsearch.store.local.reader import OpenSnapshot


def texts_of(index: Path, count: int) -> list[str]:
    """`count` chunks, evenly spread over the index, as they are encoded."""
    snapshot = OpenSnapshot(str(index))
    rows = snapshot.catalog.connection.execute("SELECT heading, text FROM chunks ORDER BY id").fetchall()
    step = max(1, len(rows) // count)
    return [prefix_of(tuple(json.loads(row["heading"])), row["text"]) + row["text"] for row in rows[::step]][:count]


def main() -> None:
    turn_caches_off()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path)
    parser.add_argument("--chunks", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    from sentence_transformers import SentenceTransformer

    texts = texts_of(chosen.index, chosen.chunks)
    source = resolve("all-MiniLM-L6-v2")
    ours = open_model(source, print)
    reference = SentenceTransformer(source.folder, device="cpu")
    runs: dict[str, Callable[[Sequence[str]], object]] = {
        "SentenceTransformer.encode, fp32, batch 32": lambda part: reference.encode(list(part), batch_size=32),
        f"semsearch ({ours.info.runtime})": ours.encode,
    }
    rates: dict[str, list[float]] = {name: [] for name in runs}
    costs: dict[str, list[float]] = {name: [] for name in runs}
    for encode in runs.values():
        encode(texts[:16])
    for _ in range(chosen.rounds):
        for name, encode in runs.items():
            start, used = time.perf_counter(), time.process_time()
            encode(texts)
            rates[name].append(len(texts) / (time.perf_counter() - start))
            costs[name].append((time.process_time() - used) / len(texts))
    base, most = (statistics.median(next(iter(values.values()))) for values in (rates, costs))
    for name in runs:
        rate, cost = statistics.median(rates[name]), statistics.median(costs[name])
        print(
            f"{name:<46} {rate:>6.1f} chunks/s {rate / base:>5.2f} x  {cost * 1000:>6.2f} ms of processors each "
            f"1/{most / cost:.2f}"
        )


if __name__ == "__main__":
    main()
