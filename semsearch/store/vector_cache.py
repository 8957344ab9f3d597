"""Vectors that were computed before, in an SQLite file that all indexes share; the least recently used go first.

Only a shortcut: where the file cannot be read or written, nothing is found and nothing is kept. Texts are not stored,
only a hash of them with the identity of their model.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import DTypeLike

from semsearch import settings
from semsearch.embedding.cached_embedder import CachedEmbedder
from semsearch.embedding.embedder import Embedder, Vectors
from semsearch.embedding.model_info import ModelInfo
from semsearch.private_files import create, is_shared, make_folders, narrow_cache, share

# The time of use is written at most once in so many seconds: a search should not wait for a write.
_USE_WRITTEN_SECONDS = 86_400
# Share of the limit that is removed at once beyond the excess, so that it happens seldom.
_REMOVED_AT_ONCE = 0.1
_BUSY_SECONDS = 1.0
_HASH_BYTES = 8


class VectorCache:
    """The cache in the SQLite file at `path`: up to `most` vectors of any models, stored as `dtype`; 0: none."""

    def __init__(self, path: str, most: int, dtype: DTypeLike) -> None:
        self._most = most
        self._dtype = np.dtype(dtype)
        self._connection: sqlite3.Connection | None = None
        if most <= 0:
            return
        try:
            make_folders(os.path.dirname(path))
            narrow_cache(os.path.dirname(path))
            self._open(path)
        except sqlite3.OperationalError:
            self.close()
        except (sqlite3.DatabaseError, UnicodeDecodeError):  # it is no database: a new one is made
            self.close()
            with contextlib.suppress(OSError, sqlite3.Error):
                os.unlink(path)
                self._open(path)
        except OSError:
            self.close()

    def _open(self, path: str) -> None:
        descriptor = create(path, 0)  # SQLite gives its journal the mode of the file
        with contextlib.suppress(OSError):  # a file system without modes
            if not is_shared(os.path.dirname(path)):
                share(descriptor, 0o600)  # one that is older was as the umask said
        os.close(descriptor)
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS, check_same_thread=False)
        # What a crash loses is computed again; a row it leaves half written does not match its hash.
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL, used INTEGER NOT NULL)"
        )
        self._connection.execute("CREATE INDEX IF NOT EXISTS vectors_used ON vectors (used)")

    def close(self) -> None:
        """Closes the file; nothing is found or kept from then on."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def find(self, keys: Sequence[bytes], length: int) -> dict[bytes, Vectors]:
        """key -> (length,) float32, for those of `keys` that are in the cache with that length."""
        if self._connection is None:
            return {}
        known: dict[bytes, Vectors] = {}
        stale = []
        now = int(time.time())
        try:
            for start in range(0, len(keys), 500):
                part = keys[start : start + 500]
                query = f"SELECT key, vector, used FROM vectors WHERE key IN ({','.join('?' * len(part))})"
                for key, data, used in self._connection.execute(query, part):
                    vector = np.frombuffer(data[_HASH_BYTES:], self._dtype)
                    if len(vector) == length and data[:_HASH_BYTES] == _hash(key, data[_HASH_BYTES:]):
                        known[key] = vector.astype(np.float32)
                        if now - used > _USE_WRITTEN_SECONDS:
                            stale.append((now, key))
            if stale:
                self._change("UPDATE vectors SET used = ? WHERE key = ?", stale)
        except (sqlite3.Error, ValueError, TypeError):  # whatever the file holds instead
            return known
        return known

    def keep(self, vectors: Mapping[bytes, Vectors]) -> None:
        """Stores `vectors` by key, each (length,), and removes the least recently used ones beyond the limit."""
        if self._connection is None or not vectors:
            return
        now = int(time.time())
        contents = ((key, vector.astype(self._dtype).tobytes()) for key, vector in vectors.items())
        rows = [(key, _hash(key, content) + content, now) for key, content in contents]
        with contextlib.suppress(sqlite3.Error, ValueError):
            self._change("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
            count = self._connection.execute("SELECT COUNT(*) FROM vectors").fetchone()[0]
            if count > self._most:
                excess = count - self._most + int(self._most * _REMOVED_AT_ONCE)
                query = "DELETE FROM vectors WHERE key IN (SELECT key FROM vectors ORDER BY used, rowid LIMIT ?)"
                self._change(query, [(excess,)])

    def _change(self, query: str, rows: Sequence[tuple[object, ...]]) -> None:
        assert self._connection is not None
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany(query, rows)
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise


def _hash(key: bytes, content: bytes) -> bytes:
    return blake2b(key + content, digest_size=_HASH_BYTES).digest()


def cached(info: ModelInfo, open_embedder: Callable[[], Embedder], what: str) -> CachedEmbedder:
    """The Embedder of `info` with a cache in front. `what`: the cache of `queries` or of `passages`; "": none."""
    most = {"queries": settings.query_cache, "passages": settings.passage_cache}.get(what, lambda: 0)()
    path = os.path.join(settings.cache_folder(), f"{what}.db")
    # Queries in full precision, so that a repeated one finds the same; passages as an index keeps them.
    dtype = np.float16 if what == "passages" else np.float32
    return CachedEmbedder(info, open_embedder, VectorCache(path, most, dtype))
