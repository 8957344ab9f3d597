"""One search over several indexes: each answers for itself, and the calibrated scores put the answers in one order."""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import zip_longest

from semsearch import settings
from semsearch.retrieval.hit import Hit, IndexCoverage, SearchResult
from semsearch.retrieval.options import SearchOptions, check_options
from semsearch.retrieval.query_encoder import OpenModel
from semsearch.retrieval.searcher import Searcher
from semsearch.retrieval.sentence_scoring import SentenceSpan, TypedText
from semsearch.store.opening import check_distinct, name_in_database


class MultiSearcher:
    """Searches `indexes` at once. Every shown path begins with the name of its index: as it was said, where it has one
    in the configuration file, else as `_name` has it.

    `open_model`: as in `Searcher`. `names`: what each was called when it was said, "" where it was no name; without
    them the configuration file tells.
    """

    def __init__(
        self,
        indexes: Sequence[str],
        announce: Callable[[str], None],
        open_model: OpenModel | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        folders = [settings.index_for_reading(index) for index in indexes]
        check_distinct(folders)
        self._stack = ExitStack()
        taken = set[str]()
        self.searchers: list[Searcher] = []
        for name, folder in zip(settings.said_names(indexes) if names is None else names, folders, strict=True):
            searcher = self._stack.enter_context(Searcher(folder, announce, open_model=open_model))
            searcher.prefix = _unique(name or _name(searcher), taken) + "/"
            self.searchers.append(searcher)

    def __enter__(self) -> "MultiSearcher":
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        self._stack.close()

    def search(self, query: str, options: SearchOptions | None = None) -> SearchResult:
        """The best hits of all indexes by score; the notices that all of them give, once."""
        options = options or SearchOptions()
        clock = time.perf_counter()
        check_options(query, options)
        # A word may be strange to one index and known to another, where it is no slip.
        strange = [searcher.unknown_words(query, options) for searcher in self.searchers]
        known = frozenset.union(*strange) - frozenset.intersection(*strange)
        results = [searcher.search(query, options, known) for searcher in self.searchers]
        # Hits of equal scores alternate, so that no index stands behind another only because it was named later.
        in_turn = [hit for row in zip_longest(*(result.hits for result in results)) for hit in row if hit]
        best = sorted(in_turn, key=lambda hit: -hit.score)[: options.k]
        hits: list[Hit] = [replace(hit, rank=rank) for rank, hit in enumerate(best, 1)]
        said = [result.notices for result in results]
        shared = [notice for notice in said[0] if all(notice in notices for notices in said)]
        own = [] if hits else [f"{result.coverage.path}: {notice}" for result in results for notice in result.notices]
        languages = frozenset(code for result in results for code in result.languages)
        return SearchResult(
            results[0].query,
            results[0].mode if len({result.mode for result in results}) == 1 else options.mode,
            _sum([result.coverage for result in results]),
            time.perf_counter() - clock,
            tuple(hits),
            tuple(shared or own),
            languages,
            frozenset(key for result in results for key in result.keys),
        )

    def sentences(self, query: str, passages: Sequence[TypedText], after: str = "") -> list[tuple[SentenceSpan, float]]:
        """As `Searcher.sentences`, by the words and the model of the first index."""
        return self.searchers[0].sentences(query, passages, after)

    @property
    def similarity(self) -> Callable[[str, str], float] | None:
        """As `Searcher.similarity`, of the first index."""
        return self.searchers[0].similarity

    @property
    def count_tokens(self) -> Callable[[str], int] | None:
        """As `Searcher.count_tokens`, of the first index."""
        return self.searchers[0].count_tokens


def _sum(coverages: Sequence[IndexCoverage]) -> IndexCoverage:
    numbers = ("files", "chunks", "pending", "skipped", "failed")
    totals = {name: sum(getattr(coverage, name) for coverage in coverages) for name in numbers}
    return IndexCoverage(os.pathsep.join(coverage.path for coverage in coverages), **totals)


def _name(searcher: Searcher) -> str:
    """What an index is called: the folder that it was made of, or the one that it lies in; in a database its schema,
    or the database."""
    if settings.url_scheme(searcher.index):
        return name_in_database(searcher.index).replace("/", "_")
    roots = searcher.roots()
    return os.path.basename(os.path.dirname(searcher.index) if len(roots) != 1 else roots[0].path) or "index"


def _unique(name: str, taken: set[str]) -> str:
    number, unique = 2, name
    while unique in taken:
        number, unique = number + 1, f"{name}-{number}"
    taken.add(unique)
    return unique
