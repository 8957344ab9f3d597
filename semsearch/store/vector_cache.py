"""Vectors that were computed before, in an SQLite file that all indexes share; the least recently used go first.

Only a shortcut: where the file cannot be read or written, nothing is found and nothing is kept, and a process says so
once. Texts are not stored, only a hash of them with the identity of their model.
"""

import contextlib
import errno
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import DTypeLike

from semsearch import settings
from semsearch.callbacks import Announce
from semsearch.embedding.cached_embedder import CachedEmbedder
from semsearch.embedding.embedder import Embedder, Vectors
from semsearch.embedding.model_info import ModelInfo
from semsearch.errors import for_shell
from semsearch.private_files import create, is_shared, make_folders, narrow_cache, share

# The time of use is written at most once in so many seconds: a search should not wait for a write.
_USE_WRITTEN_SECONDS = 86_400
# Share of the limit that is removed at once beyond the excess, so that it happens seldom.
_REMOVED_AT_ONCE = 0.1
_BUSY_SECONDS = 1.0
_HASH_BYTES = 8
# What passes, or hinders writing alone.
_PASSING = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL)

# The files of which this process has said that they cannot be used.
_told: set[str] = set()


class VectorCache:
    """The cache in the SQLite file at `path`: up to `most` vectors of any models, stored as `dtype`; 0: none.

    `announce` hears of a file that is there and cannot be used.
    """

    def __init__(self, path: str, most: int, dtype: DTypeLike, announce: Announce) -> None:
        self._path = path
        self._announce = announce
        self._most = most
        self._dtype = np.dtype(dtype)
        self._connection: sqlite3.Connection | None = None
        if most <= 0:
            return
        try:
            make_folders(os.path.dirname(path))
            narrow_cache(os.path.dirname(path))
            self._open(path)
        except (OSError, sqlite3.OperationalError) as error:
            self._give_up(error)
            self.close()
        except (sqlite3.DatabaseError, UnicodeDecodeError):  # it is no database: a new one is made
            self.close()
            self._tell("is damaged: a new one is begun")
            try:
                os.unlink(path)
                self._open(path)
            except (OSError, sqlite3.Error) as error:
                self._give_up(error)

    def _open(self, path: str) -> None:
        shared = is_shared(os.path.dirname(path))
        for name in (path, path + "-journal"):
            # Who owns them chooses what SQLite makes of them.
            if not shared and os.path.lexists(name) and os.lstat(name).st_uid != os.geteuid():
                raise PermissionError(errno.EPERM, f"{name} belongs to another user")
        try:
            descriptor = create(path, 0)  # SQLite gives its journal the mode of the file
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EROFS) or not os.path.exists(path):
                raise  # else it can still be read
        else:
            with contextlib.suppress(OSError):  # a file system without modes
                if not shared:
                    share(descriptor, 0o600)  # one that is older was as the umask said
            os.close(descriptor)
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS, check_same_thread=False)
        # What a crash loses is computed again; a row it leaves half written does not match its hash.
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL, used INTEGER NOT NULL)"
        )
        self._connection.execute("CREATE INDEX IF NOT EXISTS vectors_used ON vectors (used)")

    def _give_up(self, error: Exception) -> None:
        """Does without the file from now on, and says so where it is there; not for what passes."""
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING:
            return
        self.close()
        if os.path.lexists(self._path):
            reason = error.strerror if isinstance(error, OSError) else error
            self._tell(f"cannot be used: {reason} (to begin a new one: rm -r {for_shell(self._path)})")

    def _tell(self, what: str) -> None:
        if self._path not in _told:
            _told.add(self._path)
            self._announce(f"the cache of vectors {self._path} {what}")

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
        except sqlite3.Error as error:
            self._give_up(error)
        except (ValueError, TypeError):
            pass  # whatever a row holds instead
        return known

    def keep(self, vectors: Mapping[bytes, Vectors]) -> None:
        """Stores `vectors` by key, each (length,), and removes the least recently used ones beyond the limit."""
        if self._connection is None or not vectors:
            return
        now = int(time.time())
        contents = ((key, vector.astype(self._dtype).tobytes()) for key, vector in vectors.items())
        rows = [(key, _hash(key, content) + content, now) for key, content in contents]
        try:
            self._change("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
            count = self._connection.execute("SELECT COUNT(*) FROM vectors").fetchone()[0]
            if count > self._most:
                excess = count - self._most + int(self._most * _REMOVED_AT_ONCE)
                query = "DELETE FROM vectors WHERE key IN (SELECT key FROM vectors ORDER BY used, rowid LIMIT ?)"
                self._change(query, [(excess,)])
        except sqlite3.Error as error:
            self._give_up(error)

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


def cached(info: ModelInfo, open_embedder: Callable[[], Embedder], what: str, announce: Announce) -> CachedEmbedder:
    """The Embedder of `info` with a cache in front. `what`: the cache of `queries` or of `passages`; "": none.

    `announce` hears of a cache that cannot be used.
    """
    most = {"queries": settings.query_cache, "passages": settings.passage_cache}.get(what, lambda: 0)()
    path = os.path.join(settings.cache_folder(), f"{what}.db")
    # Queries in full precision, so that a repeated one finds the same; passages as an index keeps them.
    dtype = np.float16 if what == "passages" else np.float32
    return CachedEmbedder(info, open_embedder, VectorCache(path, most, dtype, announce))
