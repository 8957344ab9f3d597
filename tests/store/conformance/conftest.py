"""The engines that the suite runs against: a new one adds a line to `ENGINES`, and nothing else."""

import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

import pytest

from semsearch.store.opening import open_store
from semsearch.store.protocol import Store
from semsearch.vector_engines.opening import recordable
from tests.support.elsewhere import elsewhere
from tests.support.memory_store import MemoryStore
from tests.support.postgres_server import PostgresServer

# Opens the same index again, as another process would.
Opener = Callable[[], Store]
# Makes the place of a new index.
Engine = Callable[[], Opener]


def _local(folder: Path) -> Opener:
    return lambda: open_store(str(folder / "index"))


def _memory(folder: Path) -> Opener:
    store = MemoryStore(str(folder))
    return lambda: store


_servers = ExitStack()


@lru_cache
def _server() -> PostgresServer:
    return _servers.enter_context(PostgresServer())


@lru_cache
def _tables() -> str:
    """The URL of a database for tables of pgvector."""
    return _server().url(_server().new_database()).replace("postgresql://", "pgvector://")


def _postgres(folder: Path) -> Opener:
    gc.collect()  # connections of indexes that tests left open
    url = _server().url(_server().new_database())
    return lambda: open_store(url)


def _elsewhere(make: Callable[[Path], Opener]) -> Callable[[Path], Opener]:
    """The same with the vectors in a table of pgvector, each in one of its own."""

    def made(folder: Path) -> Opener:
        opener = make(folder)
        # Without its password, as an index records it.
        place = recordable(f"{_tables()}?table=table_{uuid4().hex[:12]}")
        return lambda: elsewhere(opener(), place)

    return made


# name -> what makes the place of a new index, given a folder that is empty.
ENGINES: dict[str, Callable[[Path], Opener]] = {
    "local": _local,
    "memory": _memory,
    "postgres": _postgres,
    "local-elsewhere": _elsewhere(_local),
    "postgres-elsewhere": _elsewhere(_postgres),
}


@pytest.fixture(scope="session", autouse=True)
def _end_of_servers() -> Iterator[None]:
    yield
    _servers.close()


@pytest.fixture(params=sorted(ENGINES), scope="module")
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Makes a new index each time it is called; for tests of many examples."""
    return lambda: ENGINES[request.param](tmp_path_factory.mktemp("store"))


@pytest.fixture
def opener(engine: Engine) -> Opener:
    """Opens one new index, as often as it is called."""
    return engine()


@pytest.fixture
def store(opener: Opener) -> Store:
    return opener()
