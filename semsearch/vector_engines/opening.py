"""The way to a vector database, by the scheme of its URL."""

from importlib import import_module
from typing import TYPE_CHECKING

from semsearch import settings
from semsearch.errors import SemsearchError, UsageError, for_shell
from semsearch.settings import url_scheme
from semsearch.state_lists import StateLists
from semsearch.vector_engines.address import Address

if TYPE_CHECKING:
    from semsearch.vector_engines.protocol import VectorEngine

# scheme -> the module of this package and its class.
ENGINES = {
    "chroma": ("chroma", "ChromaEngine"),
    "milvus": ("milvus", "MilvusEngine"),
    "pgvector": ("pgvector", "PgvectorEngine"),
    "pinecone": ("pinecone", "PineconeEngine"),
    "qdrant": ("qdrant", "QdrantEngine"),
    "weaviate": ("weaviate", "WeaviateEngine"),
}

# URL without secrets -> the URL as it was given, of those that this process was given.
_given: dict[str, str] = {}
_LISTS, _NAMED = StateLists("vector_databases.json", "which vector database keeps vectors"), "named"
# An option of ours: whether texts are told beside vectors.
_TEXT = "text"


def remember(url: str) -> None:
    """Notes that the user has named the collection at `url`, as `recordable` returned it, on this machine. Raises
    `SemsearchError`."""
    _LISTS.add(_NAMED, [url])


def recordable(url: str) -> str:
    """`url` without its secrets, which `open_recorded` puts back for this process. Raises `UsageError`."""
    open_engine(_without_text(url)[0])  # refuses what is no such URL
    shown = Address.parse(url).shown
    _given[shown] = url
    return shown


def is_same_place(one: str, other: str) -> bool:
    """Whether two URLs, as `recordable` returned them, are of one collection: a default that is left out or said, or
    another user, makes no other one."""
    if url_scheme(one) != url_scheme(other):
        return False
    places = []
    for url in (one, other):
        engine = _opened(url)
        places.append(engine.place)
        engine.close()
    return places[0] == places[1]


def open_recorded(url: str, index: str) -> "VectorEngine":
    """The collection at `url`, which `recordable` returned, here or in another process, and which the index at `index`
    names.

    Raises `SemsearchError` for one that nobody has named on this machine: an index from elsewhere may name any server,
    which would be sent the keys and passwords of the environment, and the vector of each question.
    """
    if url not in _given and not _is_named(url):
        raise SemsearchError(
            f"{index} has its vectors in {url}, which you have not named on this machine",
            f"if you trust it: SEMSEARCH_VECTORS={for_shell(url)}; or, to write the index, too: semsearch index --index"
            f" {for_shell(index)} --vectors {for_shell(url)}",
            code="not_trusted",
        )
    return _opened(url)


def _opened(url: str) -> "VectorEngine":
    """The collection at `url`, with the secrets that this process was given for it."""
    return open_engine(_without_text(_given.get(url, url))[0])


def _is_named(url: str) -> bool:
    """Whether the user has named the collection at `url` on this machine."""
    known = [*_LISTS.of(_NAMED), *(Address.parse(one).shown for one in settings.vectors())]
    return url in known or any(_leads_there(url, one) for one in known)


def _leads_there(url: str, named: str) -> bool:
    """Whether `url` is of the collection at `named`, and has no option that leads to another server."""
    options = [
        {name: value for name, value in Address.parse(one).options.items() if name != _TEXT} for one in (url, named)
    ]
    return options[0] == options[1] and is_same_place(url, named)


def tells_text(url: str) -> bool:
    """Whether other programs are told the texts of passages: not with `?text=0`."""
    return _without_text(url)[1]


def _without_text(url: str) -> tuple[str, bool]:
    """Raises `UsageError` where it is neither 0 nor 1: whoever writes `?text=no` wants the texts to stay here."""
    told = Address.parse(url).switch(_TEXT) is not False
    base, _, query = url.partition("?")
    kept = [one for one in query.split("&") if one and one.partition("=")[0] != _TEXT]
    return base + ("?" + "&".join(kept) if kept else ""), told


def open_engine(url: str) -> "VectorEngine":
    """The collection that `url` names; nothing is asked of the database yet. Raises `UsageError` for a URL of none."""
    scheme = url_scheme(url)
    if scheme not in ENGINES:
        said = f"{settings.without_login(url)} is not the URL of a vector database"
        if scheme:
            said = f"no vector database is called {scheme}"
        if scheme in ("postgresql", "postgres"):
            raise UsageError(said, "write a table of PostgreSQL as pgvector://HOST/DATABASE?table=NAME")
        raise UsageError(said, f"write one of these: {', '.join(f'{name}://' for name in sorted(ENGINES))}")
    module, name = ENGINES[scheme]
    engine: VectorEngine = getattr(import_module(f"semsearch.vector_engines.{module}"), name)(url)
    return engine
