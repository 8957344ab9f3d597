"""How long a search by words takes in PostgreSQL at millions of chunks, and what it reads.

    python -m benchmarks.engines.postgres_words URL [--chunks 1000000 5000000 10000000] [--rounds 5]

Makes an index of words alone, without texts or vectors, in the schema that URL names, which must not be there yet:
the postings of a Zipf vocabulary, in segments of 500,000 chunks. For queries of rare, mixed and frequent words it
prints the medians of wall time and of what the client and the server worked (the server's only where it is on this
machine), how much was read, and how often the server was waited for: the best 300 chunks are found, and these and 300
others are scored, as a hybrid search does.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import turn_caches_off
from semsearch.lexical.query_word import Key, Word
from semsearch.retrieval.options import DEPTH
from semsearch.store.postgres.address import Address
from semsearch.store.postgres.connection import Connection, Row
from semsearch.store.postgres.migrating import migrate
from semsearch.store.postgres.packed_postings import TermPostings, of_terms
from semsearch.store.postgres.store import PostgresStore
from semsearch.store.postgres.transaction import add_segment
from semsearch.store.protocol import Snapshot

_SEGMENT = 500_000
# The word of rank r stands in this share of the chunks, divided by r: words 1 to 1,000 are made one by one.
_MOST = 1 / 3
_WORDS = 1_000
# Words beyond these, in few chunks of each segment: they make the index of the table as deep as it is.
_RARE_WORDS = 20_000
# Ranks of the words of each query: the share of the chunks is a third, divided by the rank.
QUERIES = {
    "rare": [[900], [700, 950], [400, 600, 800]],
    "mixed": [[900, 40, 1], [500, 100, 20, 3], [700, 30, 10, 2, 1]],
    "frequent": [[1], [2, 4], [1, 2, 3], [5, 8, 12, 20]],
}


def main() -> None:
    turn_caches_off()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--chunks", type=int, nargs="+", default=[1_000_000, 5_000_000, 10_000_000])
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    connection = Connection(Address.parse(asked.url))
    migrate(connection)
    made = 0
    for chunks in asked.chunks:
        clock = time.perf_counter()
        while made < chunks:
            _add(connection, made, min(_SEGMENT, chunks - made))
            made += _SEGMENT
        connection.script("ANALYZE {s}.postings")
        (size,) = connection.rows("SELECT pg_total_relation_size('{s}.postings')")[0]
        print(f"{chunks:,} chunks: made in {time.perf_counter() - clock:.0f} s, {size / 1e9:.1f} GB", flush=True)
        for kind, queries in QUERIES.items():
            for ranks in queries:
                _measure(asked.url, chunks, kind, ranks, asked.rounds)


def _add(connection: Connection, first: int, count: int) -> None:
    """Adds a segment of `count` chunks behind the chunk `first`."""
    chance = np.random.default_rng(first)
    # Of passages of up to 250 words, most of which are full.
    lengths = np.minimum(250, chance.integers(20, 600, count)).astype(np.int32)
    terms: dict[bytes, TermPostings] = {}
    for rank in range(1, _WORDS + 1):
        share = _MOST / rank
        at = np.flatnonzero(chance.random(count) < share) if rank < 50 else _few(chance, count, share)
        terms[_key(rank).encode()] = _postings(chance, first, at, lengths)
    for rank in range(_WORDS + 1, _WORDS + _RARE_WORDS + 1):
        at = np.unique(chance.integers(0, count, 1 + rank % 7))
        terms[_key(rank).encode()] = _postings(chance, first, at, lengths)
    with connection.transaction(connection.writing()):
        (number,) = connection.rows("UPDATE {s}.state SET next_segment = next_segment + 1 RETURNING next_segment - 1")[
            0
        ]
        add_segment(connection, number, replace(of_terms(terms), languages=("en",)))
        connection.execute(
            "UPDATE {s}.state SET chunks = chunks + %s, terms = terms + %s, next_chunk = %s",
            (count, int(lengths.sum()), first + count + 1),
        )


def _few(chance: np.random.Generator, count: int, share: float) -> np.ndarray:
    steps = chance.geometric(share, int(2 * count * share) + 100)
    at = np.cumsum(steps) - 1
    return at[at < count]


def _postings(chance: np.random.Generator, first: int, at: np.ndarray, lengths: np.ndarray) -> TermPostings:
    # Seven in ten passages that hold a word hold it once.
    tfs = chance.geometric(0.7, len(at)).astype(np.uint16)
    return TermPostings(at + first + 1, tfs, lengths[at])


def _key(rank: int) -> str:
    return f"en\x1fword{rank}"


def _measure(url: str, chunks: int, kind: str, ranks: list[int], rounds: int) -> None:
    # As the words of a query are: with a key of the word without accents, which stands nowhere here.
    words: list[Word] = [(Key(_key(rank)), Key(f"en\x1f\x1fword{rank}", 0.7)) for rank in ranks]
    store = PostgresStore(url)
    others = np.random.default_rng(1).integers(1, chunks + 1, DEPTH)
    figures: list[list[float]] = []
    for number in range(rounds + 1):
        read = _Counted(store._reading)
        before = time.perf_counter(), time.process_time(), _server_seconds(store), store.round_trips
        store.read(lambda snapshot: _search(snapshot, words, others))
        after = time.perf_counter(), time.process_time(), _server_seconds(store), store.round_trips
        read.end()
        if number:  # the first reads what is not in memory yet
            figures.append([*(later - sooner for later, sooner in zip(after, before, strict=True)), read.size])
    wall, client, _, trips, size = map(statistics.median, zip(*figures, strict=True))
    server = statistics.mean(one[2] for one in figures)  # counted in hundredths of a second
    shares = ", ".join(f"{100 * _MOST / rank:.2g}" for rank in ranks)
    print(
        f"  {kind:8} words in {shares} %: {1000 * wall:6.0f} ms, client {1000 * client:6.0f} ms, server"
        f" {1000 * server:6.0f} ms, {size / 1e6:6.2f} MB, {trips:.0f} round trips",
        flush=True,
    )
    store.close()


def _search(snapshot: Snapshot, words: list[Word], others: np.ndarray) -> None:
    snapshot.will_ask(words, None, DEPTH)
    best = snapshot.lexical(words, DEPTH, None).ids
    snapshot.score(np.union1d(best, others), words, None)


class _Counted:
    """Counts the bytes in the values that a connection reads, until `end`."""

    def __init__(self, connection: Connection) -> None:
        self.size = 0
        self._connection: Any = connection
        self._connection.rows = self._counting(connection.rows)
        self._connection.pipeline = self._counting(connection.pipeline)

    def end(self) -> None:
        del self._connection.rows, self._connection.pipeline

    def _counting(self, ask: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            found = ask(*arguments)
            self._count(found)
            return found

        return counted

    def _count(self, found: list[Row] | list[list[Row]]) -> None:
        for one in found:
            if isinstance(one, list):
                self._count(one)
            else:
                self.size += sum(len(value) for value in one if isinstance(value, bytes))


def _server_seconds(store: PostgresStore) -> float:
    """What the process of the server worked that this client is connected to; 0 where it is not on this machine."""
    path = Path(f"/proc/{store._reading.raw.info.backend_pid}/stat")
    fields = path.read_text().rpartition(")")[2].split() if path.exists() else []
    return (int(fields[11]) + int(fields[12])) / 100 if fields else 0.0


if __name__ == "__main__":
    main()
