"""The token vectors of the passages of an index folder, kept for a late interaction model (`token_vector_file`).

The first ones are kept in 16 bits a number. Once there are enough to learn a codec from (`dense.residual_codec`), or
no more to come, all are coded, in two bits a number, and so are those that come later; those of a small index stay as
they are. A row belongs to a text, not to a passage: its key is
`Passage.text_hash`, and a digest tells whether it is what was written.
"""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from hashlib import blake2b
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from semsearch.dense.residual_codec import MOST_CENTROIDS, ResidualCodec, train
from semsearch.embedding.embedder import Vectors, unit_rows
from semsearch.embedding.late_interaction import TokenModel
from semsearch.errors import IndexDamagedError, TokenVectorsDamagedError, for_shell
from semsearch.store.local import token_vector_file as file
from semsearch.store.local.catalog import Catalog
from semsearch.store.local.connection import Connection, stamp_of

# Token vectors that are enough to learn a codec from, for 4,096 centroids of 16 each; and with how many it is learnt
# where there are no more.
ENOUGH = 1 << 16
CODED_FROM = 1 << 14
_DIGEST_BYTES = 8
_MOST_DIM = 4096
# No model makes more of a passage.
_MOST_TOKENS = 8192
# The share of free pages from which on the file is written anew, which takes as much room once more.
_SPACE, _MUCH_FREE = ("freelist_count", "page_count"), 0.25
_AT_ONCE = 500
_TRIES = 3
# What hinders SQLite, and is no fault of the file.
_HINDRANCES = (
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
)  # fmt: skip
_STRANGE = (ValueError, TypeError, IndexError, OverflowError)
# What reading a file raises that is not what was written.
_DAMAGE = (IndexDamagedError, *_STRANGE, *file.BROKEN)
Answer = TypeVar("Answer")


def stored_token_vectors(folder: str, model: TokenModel, hashes: Collection[bytes]) -> tuple[dict[bytes, Vectors], str]:
    """(text hash -> (tokens, dim) float32 unit rows of those texts that the index `folder` keeps vectors of by `model`,
    what is wrong with the file: "" nothing)."""
    if not file.is_there(folder):
        return {}, ""
    try:
        return _asked(folder, lambda connection: _found(connection, model, hashes)), ""
    except FileNotFoundError:  # removed just now
        return {}, ""
    except (OSError, *_DAMAGE) as error:
        return {}, (
            f"{file.path_of(folder)} cannot be used ({file.told(error)}), and passages were encoded for this search; to"
            f" mend it: semsearch verify --repair --index {for_shell(folder)}"
        )


def examined(folder: str) -> str:
    """What is wrong with the token vectors of the index `folder`, all of which are read; "": nothing."""
    if not file.is_there(folder):
        return ""
    try:
        return _asked(folder, _examined)
    except FileNotFoundError:
        return ""
    except (OSError, *_DAMAGE) as error:
        return file.told(error)


def _asked(folder: str, question: Callable[[Connection], Answer]) -> Answer:
    """The answer of `question`, asked again where a writer came in between. Raises what `_DAMAGE` names, `OSError`."""
    path = file.path_of(folder)
    for attempt in range(_TRIES):
        stamp: tuple[int, ...] | None = ()
        try:
            connection, stamp = file.open_for_reading(folder)
            try:
                connection.execute("BEGIN")  # one state: a run may code all rows in between
                answer = question(connection)
            finally:
                connection.close()
        except _DAMAGE:
            if attempt == _TRIES - 1 or stamp_of(path) == stamp:
                raise
            continue
        if stamp is None or stamp_of(path) == stamp:
            break
    return answer  # row by row it is what was written, whatever came in between


def _examined(connection: Connection) -> str:
    said = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(1)")]
    if said != ["ok"]:
        return said[0]
    model, codec = _recorded(connection)
    for digest, tokens, data in connection.execute(f"SELECT hash, tokens, data FROM passages {_SMALL}"):
        _decoded(digest, tokens, data, model, codec)
    if connection.execute(f"SELECT 1 FROM passages WHERE NOT ({_IS_SMALL})").fetchone():
        return "a row is larger than any that semsearch writes"
    return ""


# Rows whose content can be what semsearch writes: nothing larger is read.
_IS_SMALL = f"length(data) <= {_DIGEST_BYTES + _MOST_TOKENS * 2 * _MOST_DIM} AND length(hash) <= 64"
_SMALL = f"WHERE {_IS_SMALL}"


def _found(connection: Connection, model: TokenModel, hashes: Collection[bytes]) -> dict[bytes, Vectors]:
    recorded, codec = _recorded(connection)
    if (recorded.fingerprint, recorded.dim) != (model.fingerprint, model.dim):
        return {}
    wanted = list(dict.fromkeys(hashes))
    found: dict[bytes, Vectors] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        query = f"SELECT hash, tokens, data FROM passages {_SMALL} AND hash IN ({','.join('?' * len(part))})"
        for digest, tokens, data in connection.execute(query, part):
            found[digest] = _decoded(digest, tokens, data, recorded, codec)
    return found


def _recorded(connection: Connection) -> tuple[TokenModel, ResidualCodec | None]:
    """The model, and the codec where there is one, of the file. Raises `IndexDamagedError`, ValueError or TypeError."""
    most = 2 * MOST_CENTROIDS * _MOST_DIM + 64
    rows = connection.execute(
        "SELECT name, fingerprint, dim, codebook, digest FROM model"
        f" WHERE length(name) <= 4096 AND length(fingerprint) <= 64 AND ifnull(length(codebook), 0) <= {most} LIMIT 2"
    ).fetchall()
    if len(rows) != 1:
        raise IndexDamagedError("it records no model")
    name, fingerprint, dim, codebook, digest = rows[0]
    if not (isinstance(name, str) and isinstance(fingerprint, str) and type(dim) is int and 4 <= dim <= _MOST_DIM):
        raise IndexDamagedError("it records no model")
    model = TokenModel(name, fingerprint, dim)
    if digest != _model_digest(model, codebook):
        raise IndexDamagedError("its model is not what was written")
    return model, None if codebook is None else _unpacked_codec(codebook, dim)


def _model_digest(model: TokenModel, codebook: bytes | None) -> bytes:
    text = f"{model.name}\n{model.fingerprint}\n{model.dim}\n".encode("utf-8", "surrogatepass")
    return _digest(text, codebook or b"")


def _digest(key: bytes, content: bytes) -> bytes:
    return blake2b(len(key).to_bytes(8, "little") + key + content, digest_size=_DIGEST_BYTES).digest()


def _packed_codec(codec: ResidualCodec) -> bytes:
    """Cutoffs and weights as float32, then the centroids as float16, little-endian."""
    numbers = np.concatenate([codec.cutoffs, codec.weights]).astype("<f4")
    return numbers.tobytes() + codec.centroids.astype("<f2").tobytes()


def _unpacked_codec(codebook: bytes, dim: int) -> ResidualCodec:
    """Raises ValueError for what `_packed_codec` cannot have made."""
    numbers = np.frombuffer(codebook[:28], "<f4").astype(np.float32)
    centroids = np.frombuffer(codebook[28:], "<f2").astype(np.float32).reshape(-1, dim)
    if len(numbers) != 7 or not 1 <= len(centroids) <= MOST_CENTROIDS or dim % 4:
        raise ValueError("its codebook has another size")
    if not (np.isfinite(numbers).all() and np.isfinite(centroids).all()):
        raise ValueError("its codebook holds what is no number")
    return ResidualCodec(centroids, numbers[:3], numbers[3:])


def _row(digest: bytes, vectors: Vectors, codec: ResidualCodec | None) -> tuple[bytes, int, bytes]:
    if codec is None:
        content = vectors.astype("<f2").tobytes()
    else:
        codes, residuals = codec.encode(vectors)
        content = codes.astype("<u2").tobytes() + residuals.tobytes()
    return digest, len(vectors), _digest(digest, content) + content


def _decoded(digest: object, tokens: object, data: object, model: TokenModel, codec: ResidualCodec | None) -> Vectors:
    """(tokens, dim) unit rows. Raises `IndexDamagedError` for a row that is not what was written."""
    if type(tokens) is not int or not 0 <= tokens <= _MOST_TOKENS:
        raise IndexDamagedError("a row has no number of tokens")
    if not isinstance(digest, bytes) or not isinstance(data, bytes):
        raise IndexDamagedError("a row holds no bytes")
    content = data[_DIGEST_BYTES:]
    size = 2 * model.dim if codec is None else 2 + codec.row_bytes
    if len(content) != tokens * size or data[:_DIGEST_BYTES] != _digest(digest, content):
        raise IndexDamagedError("a row is not what was written")
    if codec is None:
        return unit_rows(np.frombuffer(content, "<f2").astype(np.float32).reshape(tokens, model.dim))
    codes: NDArray[np.uint16] = np.frombuffer(content[: 2 * tokens], "<u2").astype(np.uint16)
    if len(codes) and codes.max() >= len(codec.centroids):
        raise IndexDamagedError("a row names a centroid that there is not")
    residuals = np.frombuffer(content[2 * tokens :], np.uint8).reshape(tokens, codec.row_bytes)
    return codec.decode(codes, residuals)


class LocalTokenVectors:
    """`protocol.TokenVectors` of the index folder of `catalog`, whose lock is held. Each call is one transaction."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._folder = catalog.folder
        self._connection: Connection | None = None
        self._model: TokenModel | None = None
        self._codec: ResidualCodec | None = None
        # How many passages there will be.
        self._expected = 0

    def __enter__(self) -> "LocalTokenVectors":
        return self

    def __exit__(self, *details: object) -> None:
        self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def is_there(self) -> bool:
        """See `protocol.TokenVectors.is_there`."""
        return file.is_there(self._folder)

    def recorded(self) -> TokenModel | None:
        """See `protocol.TokenVectors.recorded`."""
        if self._connection is None and file.is_there(self._folder):
            try:
                self._connection = file.open_for_writing(self._folder)
                self._model, self._codec = _recorded(self._connection)
            except _DAMAGE as error:
                self._close()
                raise self._damage(error) from None
        return self._model

    def begin(self, model: TokenModel) -> None:
        """See `protocol.TokenVectors.begin`."""
        self._close()
        self._model, self._codec = model, None
        row = (model.name, model.fingerprint, model.dim, None, _model_digest(model, None), "")
        self._connection = file.create(self._folder, row)

    def remove(self) -> None:
        """See `protocol.TokenVectors.remove`."""
        self._close()
        self._model = self._codec = None
        file.remove(self._folder)

    def missing(self) -> list[int]:
        """See `protocol.TokenVectors.missing`."""
        assert self._connection is not None
        try:
            kept = {row[0] for row in self._connection.execute(f"SELECT hash FROM passages {_SMALL}")}
        except file.BROKEN as error:
            raise self._damage(error) from None
        first: dict[bytes, int] = {}
        for number, digest in self._catalog.each("SELECT id, hash FROM chunks WHERE file_id IS NOT NULL ORDER BY id"):
            first.setdefault(digest, number)
        self._expected = len(first)
        gone = [(digest,) for digest in kept - first.keys()]
        self._change(lambda connection: connection.executemany("DELETE FROM passages WHERE hash = ?", gone))
        return [number for digest, number in first.items() if digest not in kept]

    def put(self, hashes: Sequence[bytes], vectors: Sequence[Vectors]) -> None:
        """See `protocol.TokenVectors.put`."""
        rows = [_row(digest, one, self._codec) for digest, one in zip(hashes, vectors, strict=True)]

        def add(connection: Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO passages VALUES (?, ?, ?)", rows)
            self._code_all(connection, ENOUGH)

        self._change(add)

    def _code_all(self, connection: Connection, least: int) -> None:
        """Learns the codec and codes all rows by it, where there are `least` token vectors and none has been learnt."""
        assert self._model is not None
        if self._codec is not None:
            return
        passages, tokens = connection.execute("SELECT COUNT(*), TOTAL(tokens) FROM passages").fetchone()
        if not tokens or tokens < least:
            return
        rows = connection.execute("SELECT hash, tokens, data FROM passages")
        kept = {row[0]: _decoded(row[0], row[1], row[2], self._model, None) for row in rows}
        expected = int(tokens * max(1.0, self._expected / passages))
        codec = train(np.concatenate(list(kept.values())), expected)
        connection.executemany(
            "INSERT OR REPLACE INTO passages VALUES (?, ?, ?)",
            (_row(digest, vectors, codec) for digest, vectors in kept.items()),
        )
        codebook = _packed_codec(codec)
        connection.execute(
            "UPDATE model SET codebook = ?, digest = ?", (codebook, _model_digest(self._model, codebook))
        )
        self._codec = codec

    def finish(self) -> None:
        """See `protocol.TokenVectors.finish`."""
        state = (file.state_of(self._catalog),)
        self._change(lambda connection: self._code_all(connection, CODED_FROM))
        self._change(
            lambda connection: connection.execute("UPDATE model SET complete = ? WHERE complete != ?", state * 2)
        )
        assert self._connection is not None
        free, pages = (self._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in _SPACE)
        if free > _MUCH_FREE * pages:
            self._connection.execute("VACUUM")  # of when they were kept in 16 bits, or of passages that are gone

    def size(self, tokens: int) -> int:
        """See `protocol.TokenVectors.size`."""
        assert self._model is not None and self._connection is not None
        known = self._connection.execute("SELECT TOTAL(tokens) FROM passages").fetchone()[0]
        coded = self._codec is not None or known + tokens >= CODED_FROM
        return int(tokens * (2 + self._model.dim // 4 if coded else 2 * self._model.dim))

    def _change(self, change: Callable[[Connection], object]) -> None:
        connection = self._connection
        assert connection is not None
        codec = self._codec
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                change(connection)
                connection.execute("COMMIT")
            except BaseException:
                self._codec = codec
                if connection.in_transaction:  # SQLite has rolled back already when the disk is full
                    connection.execute("ROLLBACK")
                raise
        except _DAMAGE as error:
            raise self._damage(error) from None

    def _damage(self, error: Exception) -> Exception:
        """What to raise for `error`: itself where it is what the disk or another process refuses, of which the file is
        not to be removed."""
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _HINDRANCES:
            return error
        return TokenVectorsDamagedError(f"{file.path_of(self._folder)} is damaged: {file.told(error)}")
