"""The way to a vector database, by the scheme of its URL."""

from typing import TYPE_CHECKING

from semsearch.errors import UsageError
from semsearch.settings import url_scheme

if TYPE_CHECKING:
    from semsearch.vector_engines.protocol import VectorEngine


def open_engine(url: str) -> "VectorEngine":
    """The collection that `url` names; nothing is asked of the database yet. Raises `UsageError` for a URL of none."""
    scheme = url_scheme(url)
    raise UsageError(f"no vector database is called {scheme or url}", "known: none yet")
