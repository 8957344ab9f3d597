"""What a search over one index and a search over several have in common."""

from collections.abc import Callable, Sequence
from typing import Protocol

from semsearch.retrieval.hit import SearchResult
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.sentence_scoring import SentenceSpan, TypedText


class SearchEngine(Protocol):
    """Answers queries; a context manager that closes itself."""

    def __enter__(self) -> "SearchEngine": ...

    def __exit__(self, *details: object) -> None: ...

    def close(self) -> None: ...

    def search(self, query: str, options: SearchOptions | None = None) -> SearchResult:
        """The best hits for `query`. Raises `SemsearchError`."""
        ...

    def sentences(self, query: str, passages: Sequence[TypedText], after: str = "") -> list[tuple[SentenceSpan, float]]:
        """Every sentence of `passages` with how well it answers `query`, asked `after` another; higher is better."""
        ...

    @property
    def similarity(self) -> Callable[[str, str], float] | None:
        """The cosine of two texts under the index's model; None when no query has needed the model yet."""
        ...

    @property
    def count_tokens(self) -> Callable[[str], int] | None:
        """How many tokens a text has for the index's model; None when no query has needed the model yet."""
        ...
