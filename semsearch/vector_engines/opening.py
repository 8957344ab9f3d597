"""The way to a vector database, by the scheme of its URL."""

from importlib import import_module
from typing import TYPE_CHECKING

from semsearch.errors import UsageError
from semsearch.settings import url_scheme

if TYPE_CHECKING:
    from semsearch.vector_engines.protocol import VectorEngine

# scheme -> the module of this package and its class.
ENGINES = {
    "milvus": ("milvus", "MilvusEngine"),
    "pinecone": ("pinecone", "PineconeEngine"),
    "weaviate": ("weaviate", "WeaviateEngine"),
}


def open_engine(url: str) -> "VectorEngine":
    """The collection that `url` names; nothing is asked of the database yet. Raises `UsageError` for a URL of none."""
    scheme = url_scheme(url)
    if scheme not in ENGINES:
        # Not the URL itself, which may have a password in it.
        said = f"no vector database is called {scheme}" if scheme else "that is not the URL of a vector database"
        raise UsageError(said, f"known: {', '.join(f'{name}://' for name in sorted(ENGINES))}")
    module, name = ENGINES[scheme]
    engine: VectorEngine = getattr(import_module(f"semsearch.vector_engines.{module}"), name)(url)
    return engine
