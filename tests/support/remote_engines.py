"""Servers that a suite for all vector engines runs against: each gives the URL of a collection of a name."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.milvus_server import milvus_lite
from tests.support.pinecone_server import KEY, pinecone_server
from tests.support.weaviate_server import weaviate_server

# The URL of a collection with a name, on a server that has started.
Urls = Callable[[str], str]


@contextmanager
def milvus_urls(folder: Path) -> Iterator[Urls]:
    with milvus_lite(folder / "data") as url:
        yield lambda name: f"{url}/{name}"


@contextmanager
def real_milvus_urls(folder: Path) -> Iterator[Urls]:
    """For the server that SEMSEARCH_TEST_MILVUS names."""
    yield lambda name: f"{os.environ['SEMSEARCH_TEST_MILVUS']}/{name}"


@contextmanager
def weaviate_urls(folder: Path) -> Iterator[Urls]:
    """The names of collections begin with a capital there."""
    with weaviate_server() as server:
        yield lambda name: server.url.replace("/Docs", f"/A_{name}")


@contextmanager
def pinecone_urls(folder: Path) -> Iterator[Urls]:
    """Each URL makes this server the one that Pinecone's client finds in the environment and asks for indexes."""
    before = {name: os.environ.get(name) for name in ("PINECONE_API_KEY", "PINECONE_CONTROLLER_HOST")}
    with pinecone_server() as server:

        def url(name: str) -> str:
            os.environ["PINECONE_API_KEY"] = KEY
            os.environ["PINECONE_CONTROLLER_HOST"] = server.url
            return f"pinecone://{name.replace('_', '-')}?namespace={name}"

        yield url
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
