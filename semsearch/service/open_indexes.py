"""What one thread or process of a service has open: searchers belong to it, models may be shared by threads."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from weakref import WeakValueDictionary

from semsearch import settings
from semsearch.errors import IndexDamagedError, UsageError
from semsearch.http_limits import Abandoned

if TYPE_CHECKING:
    from semsearch.embedding.embedder import Embedder
    from semsearch.embedding.model_info import ModelInfo
    from semsearch.retrieval.multi_searcher import MultiSearcher
    from semsearch.retrieval.searcher import Searcher

Answer = TypeVar("Answer")


class Where(NamedTuple):
    """Indexes: their `locations`, and what each is called where there are several, as in `MultiSearcher`."""

    locations: Sequence[str]
    names: Sequence[str]


class SharedModels:
    """Models that are open, each once for all threads; the last searcher that lets go of one closes it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: WeakValueDictionary[str, Embedder] = WeakValueDictionary()

    def open(self, info: ModelInfo, announce: Callable[[str], None]) -> Embedder:
        """The model that made an index, which recorded `info`. Raises `ModelError`."""
        from semsearch.embedding.open import open_recorded

        if info.is_api:  # it holds nothing, and tells one cache alone what it answered
            return open_recorded(info, announce)
        key = json.dumps(info.as_dict(), sort_keys=True)
        with self._lock:
            embedder = self._open.get(key)
            if embedder is None:
                embedder = self._open[key] = open_recorded(info, announce)
            return embedder


class OpenIndexes:
    """The searcher of one thread over the indexes of `where`, opened when it is first asked for."""

    def __init__(self, where: Where, models: SharedModels, announce: Callable[[str], None]) -> None:
        self.locations = tuple(where.locations)
        self._names = where.names
        self._models = models
        self.announce = announce
        self._searcher: Searcher | MultiSearcher | None = None

    def searcher(self) -> Searcher | MultiSearcher:
        """Over the only index, or over all of them. Raises `SemsearchError`."""
        if self._searcher is None:
            if len(self.locations) > 1:
                from semsearch.retrieval.multi_searcher import MultiSearcher

                self._searcher = MultiSearcher(self.locations, self.announce, self._models.open, self._names)
            else:
                from semsearch.retrieval.searcher import Searcher

                self._searcher = Searcher(self.locations[0], self.announce, open_model=self._models.open)
        return self._searcher

    def prefixed(self) -> list[tuple[str, str]]:
        """(what stands before the paths that results show, location) of each index."""
        from semsearch.retrieval.searcher import Searcher

        searcher = self.searcher()
        searchers = [searcher] if isinstance(searcher, Searcher) else searcher.searchers
        return [(one.prefix, one.index) for one in searchers]

    def run(self, work: Callable[[OpenIndexes], Answer]) -> Answer:
        """What `work` returns or raises for these indexes. Raises `IndexNotFoundError` where it found an index
        unreadable that is not there any more."""
        try:
            return work(self)
        except (UsageError, Abandoned):
            raise
        except BaseException as error:
            self.close()  # what was opened may be what is wrong: it is opened anew for the next one
            if isinstance(error, OSError | IndexDamagedError):
                for location in self.locations:
                    settings.index_for_reading(location)
            raise

    def close(self) -> None:
        if self._searcher is not None:
            self._searcher.close()
            self._searcher = None
