"""semsearch indexes local document folders and searches them by word and by meaning, offline.

    import semsearch

    semsearch.index(["notes"])
    with semsearch.open_index("notes") as index:
        for hit in index.search("how do I renew the permit", semsearch.SearchOptions(k=3)).hits:
            print(hit.path, hit.line_start, hit.score)
        print(semsearch.ask(index, "how do I renew the permit").text)

The names of `__all__` are the public API. They are loaded when they are first used: `import semsearch` costs nothing.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from semsearch.answering.answer import Answer as Answer
    from semsearch.answering.answer import Citation as Citation
    from semsearch.answering.llm import LlmSettings as LlmSettings
    from semsearch.answering.pipeline import ask as ask
    from semsearch.errors import IndexDamagedError as IndexDamagedError
    from semsearch.errors import IndexNotFoundError as IndexNotFoundError
    from semsearch.errors import LockedError as LockedError
    from semsearch.errors import ModelError as ModelError
    from semsearch.errors import ParameterError as ParameterError
    from semsearch.errors import SemsearchError as SemsearchError
    from semsearch.errors import UsageError as UsageError
    from semsearch.index_report import IndexReport as IndexReport
    from semsearch.indexing import IndexOptions as IndexOptions
    from semsearch.indexing import index_folders as index
    from semsearch.retrieval.hit import Hit as Hit
    from semsearch.retrieval.hit import SearchResult as SearchResult
    from semsearch.retrieval.options import SearchOptions as SearchOptions
    from semsearch.retrieval.searcher import Searcher as open_index
    from semsearch.store.records import Filters as Filters

__version__ = "0.1.0"

# Public name -> (module, name there).
_PUBLIC = {
    "Answer": ("semsearch.answering.answer", "Answer"),
    "Citation": ("semsearch.answering.answer", "Citation"),
    "Filters": ("semsearch.store.records", "Filters"),
    "Hit": ("semsearch.retrieval.hit", "Hit"),
    "IndexDamagedError": ("semsearch.errors", "IndexDamagedError"),
    "IndexNotFoundError": ("semsearch.errors", "IndexNotFoundError"),
    "IndexOptions": ("semsearch.indexing", "IndexOptions"),
    "IndexReport": ("semsearch.index_report", "IndexReport"),
    "LlmSettings": ("semsearch.answering.llm", "LlmSettings"),
    "LockedError": ("semsearch.errors", "LockedError"),
    "ModelError": ("semsearch.errors", "ModelError"),
    "ParameterError": ("semsearch.errors", "ParameterError"),
    "SearchOptions": ("semsearch.retrieval.options", "SearchOptions"),
    "SearchResult": ("semsearch.retrieval.hit", "SearchResult"),
    "SemsearchError": ("semsearch.errors", "SemsearchError"),
    "UsageError": ("semsearch.errors", "UsageError"),
    "ask": ("semsearch.answering.pipeline", "ask"),
    "index": ("semsearch.indexing", "index_folders"),
    "open_index": ("semsearch.retrieval.searcher", "Searcher"),
}
__all__ = [
    "Answer",
    "Citation",
    "Filters",
    "Hit",
    "IndexDamagedError",
    "IndexNotFoundError",
    "IndexOptions",
    "IndexReport",
    "LlmSettings",
    "LockedError",
    "ModelError",
    "ParameterError",
    "SearchOptions",
    "SearchResult",
    "SemsearchError",
    "UsageError",
    "__version__",
    "ask",
    "index",
    "open_index",
]


if not TYPE_CHECKING:  # a type checker would take any name for one that is here

    def __getattr__(name: str) -> object:
        if name not in _PUBLIC:
            raise AttributeError(f"module 'semsearch' has no attribute {name!r}")
        import importlib

        module, attribute = _PUBLIC[name]
        return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return __all__
