"""A table of PostgreSQL with pgvector: `pgvector://[user[:password]@][host[:port]][/database]`, with `?table=`,
`schema=` and what libpq knows (`sslmode`, `service`, ...).

What the URL leaves out libpq takes from its environment, password file and service file. Nothing is left set in a
session and no statement is prepared by name, so that a pooler may stand between.
"""

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from struct import Struct
from threading import Event, Timer
from typing import TYPE_CHECKING, Any, TypeVar

from semsearch.errors import UsageError, VectorEngineError, for_shell
from semsearch.psycopg_messages import password_hint, silence_aftermath
from semsearch.vector_engines.address import Address
from semsearch.vector_engines.protocol import Capabilities, Payload, Ranges
from semsearch.vector_engines.requests import (
    CHUNK_ID,
    CONNECT_SECONDS,
    REQUEST_SECONDS,
    imports_of,
    one_line,
    slices,
    storable,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semsearch.vector_engines.protocol import Cosines, Ids, Vectors

T = TypeVar("T")

_TABLE = "semsearch_vectors"
_SCHEMA = "public"
# What of a payload has a column of its own; the rest is in the column `payload`.
_COLUMNS = ("path", "title", "text")
_MAX_BATCH = 10_000
# Rows go into a graph one after another: 256 of 1,024 numbers took 5 s where it had 20,480, and there are 60.
_PUT_AT_ONCE = 250
_IDS_A_PAGE = 50_000
_OLDEST = (0, 8)  # pgvector with iterative scans
# HNSW pays from here on (without it 20,000 rows of 384 numbers take 10 ms) and takes vectors of 4,000 numbers at most.
_HNSW_ROWS = 20_000
_HNSW_NUMBERS = 4_000
# Longer vectors would be kept outside of their rows in any case; shorter ones are read faster from inside of them.
_INLINE_NUMBERS = 2_000
_LONGEST_NAME = 63  # bytes of an identifier
_HNSW_OPTIONS = "m = 16, ef_construction = 128"
_BEAM = 400  # recall@10 .97 on 100,000 chunks of real text
_LARGEST_BEAM = 1_000
# A filter is compared row by row where it leaves less than a graph pays for, and where that is less work than to
# follow the graph until k of its rows are found: (rows it lets in)^2 <= this * k * rows of the table. 30,000 of
# 100,000 rows at k = 300 took the same both ways.
_CROSSING = 30
# How the binary form of a halfvec begins: the count of its numbers, and zero.
_HALFVEC_HEADER = Struct(">HH")
_IN_THE_URL = ("host", "port", "user", "password", "dbname")
# What of a connection says which server it is to.
_OF_SERVER = ("host", "hostaddr", "port", "service")

_LOOK = """
SELECT t.typname, a.atttypmod, types.nspname, c.reltuples, EXISTS (
    SELECT FROM pg_index i JOIN pg_class h ON h.oid = i.indexrelid JOIN pg_am m ON m.oid = h.relam
    WHERE i.indrelid = c.oid AND i.indisvalid AND m.amname = 'hnsw')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'embedding' AND NOT a.attisdropped
LEFT JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_namespace types ON types.oid = t.typnamespace
WHERE n.nspname = %(schema)s AND c.relname = %(table)s
"""
_UNFINISHED = """
SELECT h.relname FROM pg_index i JOIN pg_class h ON h.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am m ON m.oid = h.relam
WHERE n.nspname = %(schema)s AND c.relname = %(table)s AND m.amname = 'hnsw' AND NOT i.indisvalid
"""
_ALL = """
SELECT chunk_id, embedding {distance} %(vector)s::{halfvec} AS distance FROM {table} ORDER BY distance LIMIT %(k)s
"""
_INSIDE = """
SELECT chunk_id, embedding {distance} %(vector)s::{halfvec} AS distance FROM {table}
WHERE chunk_id <@ %(ranges)s::int8multirange ORDER BY distance LIMIT %(k)s
"""
# Row by row: what is materialised is not read through an HNSW index.
_EXACT = """
WITH near AS MATERIALIZED (
    SELECT chunk_id, embedding {distance} %(vector)s::{halfvec} AS distance
    FROM unnest(%(begins)s::bigint[], %(ends)s::bigint[]) AS allowed (begin_id, end_id)
    JOIN {table} ON chunk_id >= begin_id AND chunk_id < end_id)
SELECT chunk_id, distance FROM near ORDER BY distance LIMIT %(k)s
"""


@dataclass(frozen=True)
class _Layout:
    """What the table is like. `types`: the schema that pgvector's types and operators are in; `rows`: about how many;
    `indexed`: whether there is an HNSW index that can be used."""

    dim: int
    types: str
    rows: int
    indexed: bool


class PgvectorEngine:
    """See `VectorEngine`. A table of its own: `chunk_id`, the columns of `_COLUMNS`, `payload`, `embedding`."""

    capabilities = Capabilities(max_k=10_000, max_ranges=100_000)

    def __init__(self, url: str) -> None:
        address = Address.parse(url)
        with imports_of("PostgreSQL", "postgres"):
            from psycopg import pq
        defaults = {one.keyword.decode(): (one.val or b"").decode() for one in pq.Conninfo.get_defaults()}
        # An index may name the URL, and that one would write to any file.
        of_libpq = set(defaults) - set(_IN_THE_URL) - {"sslkeylogfile"}
        known = "table, schema, and the parameters of libpq: sslmode, sslrootcert, service, ..."
        address.check(of_libpq | {"table", "schema"}, needs_name=False, known=known)
        self.location = address.shown
        self._secrets = address.secrets
        self._schema = address.options.get("schema") or _SCHEMA
        self._table = address.options.get("table") or _TABLE
        for name in (self._schema, self._table):
            if len(name.encode()) > _LONGEST_NAME:
                raise UsageError(
                    f"{name} is a longer name than PostgreSQL takes", f"give it one of {_LONGEST_NAME} bytes at most"
                )
            if "%" in name:  # which stands for a value in statements
                raise UsageError(f"the name {name} of a table or a schema has a % in it", "give it another name")
        self._place = {"schema": self._schema, "table": self._table}
        parts = (address.host, address.port, address.user, address.password, address.name)
        given = dict(zip(_IN_THE_URL, parts, strict=True))
        given |= {name: value for name, value in address.options.items() if name in of_libpq}
        self._conninfo = {name: value for name, value in given.items() if value}
        chosen = {**defaults, **self._conninfo}
        database = chosen["dbname"] or chosen["user"]  # as libpq has it
        self.place = (*(str(chosen[name]) for name in _OF_SERVER), str(database), self._schema, self._table)
        self._connection: Any = None

    def ensure(self, dim: int) -> None:
        self._forget_layout()
        if not self.exists():
            self._run(partial(self._create, dim=dim))
        if self._layout.dim != dim:
            raise VectorEngineError(
                f"{self._name} in {self.location} has vectors of {self._layout.dim} numbers, not of {dim}",
                "give another table in the URL: ?table=NAME",
            )

    def exists(self) -> bool:
        return self._run(lambda connection: connection.execute(_LOOK, self._place).fetchone()) is not None

    def upsert(self, ids: "Ids", vectors: "Vectors", payloads: Sequence[Payload]) -> None:
        for part in slices(len(ids), _PUT_AT_ONCE):
            self._run(partial(self._replace, ids=ids[part], vectors=vectors[part], payloads=payloads[part]))

    def delete(self, ids: "Ids") -> None:
        for part in slices(len(ids), _MAX_BATCH):
            self._run(partial(self._delete, ids=ids[part]))

    def nearest(self, vector: "Vectors", k: int, ranges: Ranges | None) -> "tuple[Ids, Cosines]":
        import numpy as np

        if ranges is not None and not ranges:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        values: dict[str, object] = {"vector": _as_text(vector), "k": k}
        settings: dict[str, object] = {"jit": "off"}  # what is to be done is thought to be more than it is
        if ranges is not None and not self._follows_graph(k, ranges):
            statement = _EXACT
            values |= {"begins": [begin for begin, _ in ranges], "ends": [end for _, end in ranges]}
        elif ranges is not None:
            statement = _INSIDE
            values["ranges"] = "{" + ",".join(f"[{begin},{end})" for begin, end in ranges) + "}"
            settings |= self._beam(k, ranges)
        else:
            statement = _ALL
            settings |= self._beam(k, ranges)

        rows = self._rows(statement, values, settings)
        ids = np.array([chunk for chunk, _ in rows], np.int64)
        # To a vector of nothing but zeros there is no cosine.
        cosines = np.nan_to_num(1 - np.array([distance for _, distance in rows], np.float32))
        best_first = np.argsort(-cosines, kind="stable")  # an iterative scan is only about in order
        return ids[best_first], cosines[best_first]

    def vectors(self, ids: "Ids") -> "Vectors":
        import numpy as np

        statement = (
            "SELECT chunk_id, {types}.halfvec_send(embedding) FROM {table} WHERE chunk_id = ANY(%(ids)s::bigint[])"
        )
        found: dict[int, NDArray[np.float16]] = {}
        for part in slices(len(ids), _MAX_BATCH):
            asked: dict[str, object] = {"ids": ids[part].tolist()}
            for chunk, sent in self._rows(statement, asked):
                found[chunk] = np.frombuffer(sent, ">f2", offset=_HALFVEC_HEADER.size)
        missing = np.full(self._layout.dim, np.nan, np.float16)
        rows = [found.get(chunk, missing) for chunk in ids.tolist()]
        return np.array(rows, np.float32).reshape(len(ids), self._layout.dim)

    def count(self) -> int:
        return int(self._rows("SELECT count(*) FROM {table}")[0][0])

    def ids(self) -> "Iterator[Ids]":
        import numpy as np

        statement = "SELECT chunk_id FROM {table} WHERE chunk_id > %(last)s ORDER BY chunk_id LIMIT %(most)s"
        last = np.iinfo(np.int64).min
        while True:
            asked: dict[str, object] = {"last": int(last), "most": _IDS_A_PAGE}
            rows = self._rows(statement, asked)
            if not rows:
                return
            page = np.array(rows, np.int64).reshape(-1)
            yield page
            last = page[-1]

    def foreign(self, take_out: bool = False) -> int:
        return 0  # its keys are numbers of 64 bits, as those of chunks

    def maintain(self) -> None:
        """Builds the HNSW index, once it pays, beside readers and writers; it may take minutes."""
        self._forget_layout()
        if self._layout.indexed or self._layout.dim > _HNSW_NUMBERS or self.count() < _HNSW_ROWS:
            return
        self._run(self._build, patient=True)
        self._forget_layout()

    def drop(self) -> None:
        self._run(lambda connection: connection.execute(self._sql("DROP TABLE IF EXISTS {table}")))
        self._forget_layout()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def _name(self) -> str:
        return f"the table {self._schema}.{self._table}"

    @cached_property
    def _layout(self) -> _Layout:
        row = self._run(lambda connection: connection.execute(_LOOK, self._place).fetchone())
        if row is None:
            raise VectorEngineError(
                f"there is no table {self._schema}.{self._table} in {self.location}",
                "is the name right? `semsearch verify --repair` fills a table that was lost",
            )
        kind, dim, types, rows, indexed = row
        if kind != "halfvec":
            raise VectorEngineError(
                f"{self._name} in {self.location} holds something else than vectors of semsearch",
                "give another table in the URL: ?table=NAME",
            )
        return _Layout(dim, types, int(rows), indexed)

    def _forget_layout(self) -> None:
        self.__dict__.pop("_layout", None)

    def _follows_graph(self, k: int, ranges: Ranges) -> bool:
        allowed = sum(end - begin for begin, end in ranges)
        many = allowed > _HNSW_ROWS and allowed * allowed > _CROSSING * k * self._layout.rows
        return many and self._layout.indexed

    def _beam(self, k: int, ranges: Ranges | None) -> dict[str, object]:
        """How a scan of the graph goes on until there are `k` rows."""
        settings: dict[str, object] = {
            "hnsw.ef_search": min(max(_BEAM, 2 * k), _LARGEST_BEAM),
            "hnsw.iterative_scan": "relaxed_order",
            "enable_seqscan": "off",  # a filter by ranges is thought to leave one row of 200
        }
        if ranges is not None:
            allowed = max(1, sum(end - begin for begin, end in ranges))
            needed = 4 * k * max(1, self._layout.rows // allowed)
            settings["hnsw.max_scan_tuples"] = min(max(needed, 20_000), 2**31 - 1)
            settings["hnsw.scan_mem_multiplier"] = 16
        return settings

    def _sql(self, statement: str, **parts: Any) -> Any:
        from psycopg import sql

        return sql.SQL(statement).format(table=sql.Identifier(self._schema, self._table), **parts)

    def _rows(
        self,
        statement: str,
        values: Mapping[str, object] | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> Any:
        """What `statement` gives, with `settings` that end with it."""
        from psycopg import sql

        types = self._layout.types
        query = self._sql(
            statement,
            types=sql.Identifier(types),
            halfvec=sql.Identifier(types, "halfvec"),
            distance=sql.SQL("OPERATOR({}.<=>)").format(sql.Identifier(types)),
        )

        def ask(connection: Any) -> Any:
            if not settings:
                return connection.execute(query, values or {}).fetchall()
            with connection.pipeline(), connection.transaction():  # all in one exchange
                for name, value in settings.items():
                    connection.execute("SELECT set_config(%s, %s, true)", (name, str(value)))
                return connection.execute(query, values or {}).fetchall()

        return self._run(ask)

    def _replace(self, connection: Any, ids: "Ids", vectors: "Vectors", payloads: Sequence[Payload]) -> None:
        from psycopg.types.json import Jsonb
        from psycopg.types.numeric import Int8

        header = _HALFVEC_HEADER.pack(vectors.shape[1], 0)
        columns = ", ".join((CHUNK_ID, *_COLUMNS, "payload", "embedding"))
        into = self._sql(f"COPY {{table}} ({columns}) FROM STDIN (FORMAT binary)")
        with connection.transaction():
            self._delete(connection, ids)
            with connection.cursor().copy(into) as copy:
                for chunk, half, payload in zip(ids.tolist(), vectors.astype(">f2"), payloads, strict=True):
                    rest = storable(payload)
                    own = [rest.pop(name) if isinstance(rest.get(name), str) else None for name in _COLUMNS]
                    copy.write_row((Int8(chunk), *own, Jsonb(rest), header + half.tobytes()))

    def _delete(self, connection: Any, ids: "Ids") -> None:
        connection.execute(self._sql("DELETE FROM {table} WHERE chunk_id = ANY(%s::bigint[])"), (ids.tolist(),))

    def _create(self, connection: Any, dim: int) -> None:
        from psycopg import sql

        lock = (f"semsearch {self._name}",)
        columns = ", ".join(f"{name} text" for name in _COLUMNS)
        with connection.transaction():
            # Two processes may come here at the same time: the second waits, and finds it made.
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", lock)
            types = self._extension(connection)
            index = "SELECT FROM information_schema.columns WHERE table_schema = %s AND table_name = 'state'"
            if connection.execute(f"{index} AND column_name = 'product'", (self._schema,)).fetchone() is not None:
                raise VectorEngineError(
                    f"the schema {self._schema} of {self.location} is that of an index, which is removed with it",
                    "name another with ?schema=NAME",
                )
            if connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", (self._schema,)).fetchone() is None:
                connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self._schema)))
            made = self._sql(
                f"CREATE TABLE IF NOT EXISTS {{table}} (chunk_id bigint PRIMARY KEY, {columns},"
                " payload jsonb NOT NULL, embedding {halfvec}({dim}) NOT NULL)",
                halfvec=sql.Identifier(types, "halfvec"),
                dim=sql.Literal(dim),
            )
            connection.execute(made)
            if dim <= _INLINE_NUMBERS:
                connection.execute(self._sql("ALTER TABLE {table} ALTER COLUMN embedding SET STORAGE PLAIN"))

    def _extension(self, connection: Any) -> str:
        """The schema that pgvector is in; made where it is installed and this role may."""
        from psycopg.errors import InsufficientPrivilege

        look = "SELECT extversion, nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace"
        look += " WHERE extname = 'vector'"
        found = connection.execute(look).fetchone()
        if found is None:
            available = "SELECT FROM pg_available_extensions WHERE name = 'vector'"
            if connection.execute(available).fetchone() is None:
                major = connection.info.server_version // 10_000
                raise VectorEngineError(
                    f"the PostgreSQL server of {self.location} does not have pgvector",
                    f"install it there, on Debian: apt install postgresql-{major}-pgvector",
                )
            try:
                with connection.transaction():
                    connection.execute("CREATE EXTENSION vector")
            except InsufficientPrivilege:
                raise VectorEngineError(
                    f"pgvector is not switched on in the database of {self.location}",
                    "as its owner or a superuser, run there: CREATE EXTENSION vector",
                ) from None
            found = connection.execute(look).fetchone()
        version, schema = found
        if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
            raise VectorEngineError(
                f"the pgvector of {self.location} is {version}, older than {'.'.join(map(str, _OLDEST))}",
                "install a newer one on the server, then run: ALTER EXTENSION vector UPDATE",
            )
        return str(schema)

    def _build(self, connection: Any) -> None:
        from psycopg import sql

        lock = (f"semsearch hnsw {self._name}",)
        if not connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", lock).fetchone()[0]:
            return  # another process builds it
        try:
            for (left_behind,) in connection.execute(_UNFINISHED, self._place).fetchall():  # of a run that was cut off
                connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(self._schema, left_behind)))
            build = "CREATE INDEX CONCURRENTLY ON {table} USING hnsw (embedding {types}.halfvec_cosine_ops)"
            build += f" WITH ({_HNSW_OPTIONS})"
            connection.execute(self._sql(build, types=sql.Identifier(self._layout.types)))
        finally:
            if not connection.closed:
                connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", lock)

    def _run(self, step: Callable[[Any], T], patient: bool = False) -> T:
        """What `step` returns, given the connection; `patient`: however long it takes. It is done again where the
        connection was lost since it was last used, as by a restart of the server; each step can be."""
        with imports_of("PostgreSQL", "postgres"):
            import psycopg
        seconds = None if patient else REQUEST_SECONDS
        reused = self._connection is not None
        try:
            return self._run_once(step, seconds)
        except psycopg.Error as error:
            if self._connection is not None or not reused:
                raise self._failed(error) from None
        try:
            return self._run_once(step, seconds)
        except psycopg.Error as error:
            raise self._failed(error) from None

    def _run_once(self, step: Callable[[Any], T], seconds: float | None) -> T:
        """Leaves no connection behind that is lost."""
        connection = self._connected()
        try:
            with _deadline(connection, seconds):
                return step(connection)
        except TimeoutError:
            raise VectorEngineError(
                f"PostgreSQL did not answer within {seconds:.0f} s at {self.location}",
                "try again later; in its database, pg_stat_activity tells what it does",
            ) from None
        finally:
            if connection.closed:
                self._connection = None

    def _connected(self) -> Any:
        import psycopg
        from psycopg.conninfo import make_conninfo

        if self._connection is None:
            silence_aftermath()
            defaults: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS, "application_name": "semsearch"}
            self._connection = psycopg.connect(
                make_conninfo(**{**defaults, **self._conninfo}),
                autocommit=True,
                prepare_threshold=None,  # a pooler may give the next transaction to another server process
            )
        return self._connection

    def _failed(self, error: Any) -> VectorEngineError:
        from psycopg import errors

        told = one_line(error.diag.message_primary or error, self._secrets)
        if self._connection is None and (hint := password_hint(told)):
            return VectorEngineError(f"PostgreSQL at {self.location}: {told}", hint)
        if self._connection is None:
            return VectorEngineError(
                f"PostgreSQL cannot be reached at {self.location}: {told}",
                f"can you connect? try: psql {for_shell(_for_psql(self.location))}",
            )
        if isinstance(error, errors.UndefinedTable):
            hint = "is the name right? `semsearch verify --repair` fills a table that was lost"
        elif isinstance(error, errors.InsufficientPrivilege):
            hint = f"let the table's owner run: GRANT SELECT, INSERT, DELETE ON {self._schema}.{self._table} TO ..."
            if "for schema" in told:  # there is no table yet
                hint = f"let its owner run: GRANT USAGE, CREATE ON SCHEMA {self._schema} TO ..."
        else:
            hint = "see the log of the server"
        return VectorEngineError(f"PostgreSQL refuses it for {self._name} in {self.location}: {told}", hint)


@contextmanager
def _deadline(connection: Any, seconds: float | None) -> Iterator[None]:
    """Ends what `connection` does after `seconds`, and raises `TimeoutError`: libpq waits for ever for an answer."""
    if seconds is None:
        yield
        return
    from psycopg import Error, capabilities

    late = Event()
    # The same connection under another number: that of the first may be another file by then.
    with socket.socket(fileno=os.dup(connection.fileno())) as same:

        def end() -> None:
            late.set()
            if capabilities.has_cancel_safe():  # older libpqs know no timeout for this either
                with suppress(Error):  # of a server that does not answer
                    connection.cancel_safe(timeout=CONNECT_SECONDS)
            with suppress(OSError):
                same.shutdown(socket.SHUT_RDWR)

        timer = Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        except Error:
            if late.is_set():
                raise TimeoutError from None
            raise
        finally:
            timer.cancel()
            timer.join()


def _as_text(vector: "Vectors") -> str:
    return f"[{','.join(map(str, vector.tolist()))}]"


def _for_psql(location: str) -> str:
    """The URL that psql takes."""
    address = Address.parse(location)
    options = {name: value for name, value in address.options.items() if name not in ("table", "schema")}
    return replace(address, scheme="postgresql", options=options).shown
