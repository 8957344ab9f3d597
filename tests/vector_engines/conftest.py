"""The vector databases that the suite runs against: a new one adds a line to `ENGINES`, and nothing else."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from semsearch.vector_engines.opening import open_engine
from semsearch.vector_engines.protocol import VectorEngine
from tests.support.chroma_server import ChromaServer, real_chroma
from tests.support.postgres_server import PostgresServer
from tests.support.qdrant_server import QdrantServer

# The URL of a collection with a name, on a server that has started.
Urls = Callable[[str], str]


@contextmanager
def _qdrant(folder: Path) -> Iterator[Urls]:
    with QdrantServer() as server:
        yield lambda name: f"qdrant://{server.at}/{name}"


@contextmanager
def _chroma(folder: Path) -> Iterator[Urls]:
    with ChromaServer() as server:
        yield lambda name: f"chroma://{server.at}/{name}"


@contextmanager
def _real_chroma(folder: Path) -> Iterator[Urls]:
    with real_chroma(folder) as at:
        yield lambda name: f"chroma://{at}/{name}"


@contextmanager
def _pgvector(folder: Path) -> Iterator[Urls]:
    with PostgresServer() as server:
        url = server.url(server.new_database(extensions=())).replace("postgresql://", "pgvector://")
        yield lambda name: f"{url}?table={name}"


# name -> what starts a server, given a folder that is empty.
ENGINES: dict[str, Callable[[Path], AbstractContextManager[Urls]]] = {
    "qdrant": _qdrant,
    "chroma": _chroma,
    "chroma-real": _real_chroma,
    "pgvector": _pgvector,
}
# Those that need a program which is not installed with the tests -> the variable that names it.
NEEDS = {"chroma-real": "SEMSEARCH_TEST_CHROMA"}


def parameter(name: str) -> object:
    variable = NEEDS.get(name)
    if variable is None:
        return name
    skip = pytest.mark.skipif(not os.environ.get(variable), reason=f"{variable} names no command")
    return pytest.param(name, marks=[pytest.mark.serving, skip])


@pytest.fixture(params=[parameter(name) for name in sorted(ENGINES)], scope="session")
def engine_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def urls(engine_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Urls]:
    """One server for all tests of an engine."""
    with ENGINES[engine_name](tmp_path_factory.mktemp("server")) as urls:
        yield urls


@pytest.fixture
def url(urls: Urls) -> str:
    """The URL of a collection that is not there yet."""
    return urls(f"test_{uuid4().hex[:12]}")


@pytest.fixture
def engine(url: str) -> Iterator[VectorEngine]:
    engine = open_engine(url)
    yield engine
    engine.close()
