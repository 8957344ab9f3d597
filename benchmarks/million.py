"""Makes a large index from the vectors and texts of a small one, for benchmarks of size; prints the seconds it took.

    python -m benchmarks.million BASE_INDEX TARGET [--chunks 1000000] [--sentences 8]

Every chunk of TARGET has the vector of a chunk of BASE_INDEX with noise, and sentences of that chunk and of others. The
index is written by the ordinary writer, with 20 chunks in a file; the files themselves do not exist.
"""

import argparse
import json
import random
import re
import time
from pathlib import Path

import numpy as np

from benchmarks.noisy_vectors import vectors_of, with_noise
from benchmarks.timing import turn_caches_off
from semsearch.chunking.chunk import hash_of
from semsearch.lexical import postings
from semsearch.lexical.analyzer import analyze
from semsearch.store.local.reader import OpenSnapshot
from semsearch.store.local.writer import IndexWriter

_CHUNKS_A_FILE = 20
_SEGMENT = 262_144
_SETTINGS = ("generation", "chunking", "analysis", "rules", "model_name", "model", "readers")


def main() -> None:
    turn_caches_off()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--chunks", type=int, default=1_000_000)
    parser.add_argument("--sentences", type=int, default=8)
    chosen = parser.parse_args()
    clock = time.perf_counter()
    build(chosen.base, chosen.target, chosen.chunks, chosen.sentences)
    print(f"{chosen.chunks:,} chunks in {time.perf_counter() - clock:.0f} s")


def build(base: Path, target: Path, chunks: int, count_of_sentences: int) -> None:
    """Writes an index of `chunks` chunks at `target`."""
    snapshot = OpenSnapshot(str(base))
    vectors = vectors_of(base)
    known = dict(snapshot.catalog.connection.execute("SELECT id, text FROM chunks").fetchall())
    texts = [known.get(int(number), "") for part in snapshot.dense_segments() for number in part.ids]
    sentences = [[part for part in re.split(r"(?<=[.!?])\s+|\n+", text) if part.strip()] or ["empty"] for text in texts]
    rng, chance = np.random.default_rng(1), random.Random(1)
    with IndexWriter(str(target)) as writer:
        with writer.commit():
            for key in _SETTINGS:
                writer.catalog.set_setting(key, snapshot.catalog.setting(key))
            root = 1
            writer.catalog.insert_root(root, "/nowhere", "nowhere")
        for first in range(1, chunks + 1, _SEGMENT):
            count = min(_SEGMENT, chunks + 1 - first)
            ids = np.arange(first, first + count)
            chosen = rng.integers(0, len(vectors), count)
            name, files = writer.write_dense(ids, with_noise(vectors, chosen, rng), vectors.shape[1])
            mixed = [_mixed_text(sentences, own, count_of_sentences, chance) for own in chosen.tolist()]
            words = {}
            terms = [
                [term for part in text.split() for term in words.setdefault(part, analyze(part, "en"))]
                for text in mixed
            ]
            built = postings.build(range(first, first + count), terms, ("en",))
            lexical_name, lexical_files = writer.write_lexical(built)
            with writer.commit() as connection:
                writer.add_segment("vec", name, ids, files)
                writer.add_segment("lex", lexical_name, ids, lexical_files)
                rows = range(first, first + count, _CHUNKS_A_FILE)
                connection.executemany(
                    "INSERT INTO files (id, root_id, path, status, size, mtime_ns, inode, scanned_ns, generation, type,"
                    " title, language, first_chunk, chunk_count) VALUES (?, ?, ?, 'indexed', 1, 0, 0, 0, 1, 'text',"
                    " '', 'en', ?, ?)",
                    [
                        (start, root, f"{start}.txt".encode(), start, min(_CHUNKS_A_FILE, first + count - start))
                        for start in rows
                    ],
                )
                connection.executemany(
                    "INSERT INTO chunks (id, file_id, hash, text, heading, line_start, line_end, tokens)"
                    " VALUES (?, ?, ?, ?, ?, 1, 2, 50)",
                    [
                        (
                            number,
                            first + (number - first) // _CHUNKS_A_FILE * _CHUNKS_A_FILE,
                            hash_of((), text),
                            text,
                            json.dumps([]),
                        )
                        for number, text in zip(range(first, first + count), mixed, strict=True)
                    ],
                )
                writer.catalog.set_setting("next_chunk", first + count)
                writer.catalog.set_setting("embedded_to", first + count - 1)


def _mixed_text(sentences: list[list[str]], own: int, count: int, chance: random.Random) -> str:
    """`count` sentences: one of the chunk `own`, the others of random chunks; `sentences`: those of each chunk."""
    chunks = (own, *(chance.randrange(len(sentences)) for _ in range(count - 1)))
    return " ".join(chance.choice(sentences[number]) for number in chunks)


if __name__ == "__main__":
    main()
