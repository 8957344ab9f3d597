"""The way in: `open_store` tells by its name what keeps an index."""

import os
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, TypeVar, cast

from semsearch.errors import LockedError, ParameterError, SemsearchError, UsageError, for_shell
from semsearch.extras import missing_package
from semsearch.settings import url_scheme

if TYPE_CHECKING:
    from semsearch.store.protocol import Snapshot, Store, Verifiable

Answer = TypeVar("Answer")


_POSTGRES = ("postgresql", "postgres")
# capability -> why an engine does without it, and what to do instead; {}: its index.
_INSTEAD = {
    "quantize": "its vectors are kept in half precision; a copy in a folder can be made smaller:"
    " semsearch copy --index {} --to FOLDER",
    "share": "let its users in by rights of the database: docs/engines.md lists those of readers and writers",
}


def open_store(location: str, after: str = "") -> "Store":
    """The index at `location`, a folder or a URL of PostgreSQL. Nothing is read or made yet.

    `after`: what is read has at least the state of this token (`Writer.token`), on whatever replica. Raises
    `UsageError` for a URL of no engine and for a token that an index has no use for, `SemsearchError` where a package
    is missing.
    """
    scheme = url_scheme(location)
    if scheme in _POSTGRES:
        return _postgres(location, after)
    if after:
        raise ParameterError("after", f"is about an index in PostgreSQL, not {location}", "leave it out")
    if scheme:
        raise _no_engine(scheme)
    from semsearch.store.local.store import LocalStore

    return LocalStore(location)


def _no_engine(scheme: str) -> UsageError:
    from semsearch.vector_engines.opening import ENGINES  # nothing that a search has use for

    if scheme not in ENGINES:
        return UsageError(f"there is no engine for {scheme}://", "name a folder, or postgresql://HOST/DATABASE")
    return UsageError(
        f"{scheme}:// names a vector database, which keeps no more than the vectors of an index",
        "name a folder with --index, and the database with: semsearch index --vectors URL",
    )


def place_of(location: str) -> str:
    """What tells the index at `location`, a folder or a URL, from all others, however that is spelled."""
    if url_scheme(location) not in _POSTGRES:
        return location if url_scheme(location) else os.path.realpath(location)
    from semsearch.store.postgres.address import Address

    return f"postgresql://{Address.parse(location).place}"


def check_distinct(locations: Sequence[str]) -> None:
    """Raises `UsageError` where two of `locations` are the same index."""
    if len(set(map(place_of, locations))) < len(locations):
        raise UsageError("the same index is named twice", "name each --index once")


def name_in_database(location: str) -> str:
    """What people call the index at the URL `location`: its schema, or the database where that holds one index."""
    from semsearch.store.postgres.address import Address

    return Address.parse(location).name


def _postgres(location: str, after: str) -> "Store":
    try:
        import psycopg
    except ImportError:
        raise missing_package("an index in PostgreSQL", "postgres", "psycopg") from None
    del psycopg
    from semsearch.store.postgres.store import PostgresStore

    return PostgresStore(location, after)


def read_index(location: str, question: "Callable[[Snapshot], Answer]", after: str = "") -> Answer:
    """The answer of `question` to one committed state of the index at `location`, for those who ask once; `after`: as
    in `open_store`."""
    store = open_store(location, after)
    try:
        return store.read(question)
    finally:
        store.close()


def clone_index(location: str, target: str) -> "Store":
    """A private copy, in the folder `target`, of one committed state of the index at `location`."""
    store = open_store(location)
    try:
        return store.clone(target)
    finally:
        store.close()


def require(store: "Store", capability: str, command: str) -> None:
    """Raises `SemsearchError` where `store` does not have the `capability` that `command` needs."""
    if capability not in store.capabilities:
        instead = _INSTEAD.get(capability, "copy the index to a folder first: semsearch copy --index {} --to FOLDER")
        raise SemsearchError(
            f"{command} is for an index in a folder, not for {store.location}",
            instead.format(for_shell(store.location)),
            code="not_supported",
        )


def check_vectors(store: "Store", url: str) -> None:
    """Raises `SemsearchError` where the vectors of `store` cannot be kept at `url` ("": in the index itself).

    Of an index that is not there yet, and is not made by that, also where the database is not to be had, or the
    collection holds something.
    """
    if url:
        from semsearch.store.engine_vectors import EngineVectors  # nothing that most runs have use for
        from semsearch.vector_engines.opening import recordable

        recorded = recordable(url)
        if not store.exists():
            with closing(EngineVectors(recorded, store.location)) as elsewhere:
                elsewhere.begin()


def remember_vectors(url: str) -> None:
    """Notes that the user has named the vector database at `url` on this machine, so that an index may name it from now
    on. Raises `SemsearchError`."""
    from semsearch.vector_engines.opening import recordable, remember

    remember(recordable(url))


def check_writable(location: str) -> None:
    """Raises `SemsearchError` where the index at `location` may not be written, for who first works for minutes. That
    another run is writing now is no reason."""
    store = open_store(location)
    try:
        if store.exists():
            with suppress(LockedError), store.write(folders=()):
                pass
    finally:
        store.close()


def open_verifiable(location: str) -> "Verifiable":
    """The index at `location`, for who looks at all of it. Raises `SemsearchError` where its engine cannot do that."""
    store = open_store(location)
    require(store, "verify", "verify")
    return cast("Verifiable", store)
