"""The way in: `open_store` tells by its name what keeps an index."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from semsearch.errors import ParameterError, SemsearchError, UsageError, for_shell
from semsearch.settings import url_scheme

if TYPE_CHECKING:
    from semsearch.store.protocol import Snapshot, Store, Verifiable

Answer = TypeVar("Answer")


# capability -> what to do where an engine does not have it; {}: its index.
_INSTEAD = {
    "quantize": "vectors are kept in half precision there; a copy in a folder can be made smaller:"
    " semsearch copy --index {} --to FOLDER",
    "share": "let its users in by rights of the database: docs/engines.md lists those of readers and writers",
}


def open_store(location: str, after: str = "") -> "Store":
    """The index at `location`, a folder or a URL of PostgreSQL. Nothing is read or made yet.

    `after`: what is read has at least the state of this token (`Writer.token`), on whatever replica. Raises
    `UsageError` for a URL of no engine, for a token that an index has no use for, and where a package is missing.
    """
    scheme = url_scheme(location)
    if scheme in ("postgresql", "postgres"):
        return _postgres(location, after)
    if after:
        raise ParameterError("after", f"is about an index in PostgreSQL, not {location}", "leave it out")
    if scheme:
        raise UsageError(f"there is no engine for {scheme}://", "name a folder, or postgresql://HOST/DATABASE")
    from semsearch.store.local.store import LocalStore

    return LocalStore(location)


def _postgres(location: str, after: str) -> "Store":
    try:
        import psycopg
    except ImportError:
        raise SemsearchError(
            "an index in PostgreSQL needs the package psycopg",
            "install it with: pip install 'semsearch[postgres]'",
            code="missing_package",
        ) from None
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
        raise SemsearchError(
            f"{store.location} cannot do that: its engine has no {command}",
            _INSTEAD.get(capability, "an index in a folder has: semsearch copy").format(for_shell(store.location)),
            code="not_supported",
        )


def open_verifiable(location: str) -> "Verifiable":
    """The index at `location`, for who looks at all of it. Raises `SemsearchError` where its engine cannot do that."""
    store = open_store(location)
    require(store, "verify", "verify")
    return cast("Verifiable", store)
