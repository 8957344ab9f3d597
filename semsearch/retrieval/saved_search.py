"""What is new since an earlier search: the state file of `search --new-since`, for cron.

Of each query the file remembers how far the index was and which passages were shown. New is a passage that was indexed
since and whose text was not shown from this file before; so a touched file, a rename within the passages shown, or a
rebuilt index bring nothing up twice.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from semsearch.errors import UsageError
from semsearch.retrieval.hit import Hit, SearchResult
from semsearch.retrieval.options import MIN_SCORE, MODES_OF_MEANING, SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.store.records import Position

_SCHEMA = "semsearch.seen/1"
# Passages remembered of each query: the latest.
_MOST_SEEN = 10_000


class SavedSearches:
    """The state file at `path`: read once, written by `save` with one rename."""

    def __init__(self, path: str) -> None:
        self._path = path
        folder = os.path.dirname(os.path.abspath(path))
        if not os.path.isdir(folder):
            raise UsageError(f"--new-since {path}: no such folder: {folder}", "make it first")
        self._queries: dict[str, dict[str, Any]] = _read(path)

    def search(self, searcher: Searcher, query: str, options: SearchOptions) -> SearchResult:
        """The hits for `query` that are new since the last search of the same query with the same options."""
        key = _key(searcher.index, query, options)
        known = self._queries.get(key)
        position = searcher.position()
        seen: list[str] = known["seen"] if known else []
        if known:
            after = known["last"] if known["generation"] == position.generation else 0
            options = replace(options, filters=replace(options.filters, after=after), fold=False)
            if options.min_score is None and options.mode in MODES_OF_MEANING:
                # Whatever is new would else be the best there is.
                options = replace(options, min_score=MIN_SCORE)
        result = searcher.search(query, options)
        fresh = [hit for hit in result.hits if _identity(hit) not in set(seen)]
        hits = tuple(replace(hit, rank=rank) for rank, hit in enumerate(fresh, 1))
        self._queries[key] = _record(position, [*seen, *map(_identity, hits)])
        return replace(result, hits=hits)

    def save(self) -> None:
        """Writes the file, whole or not at all."""
        folder = os.path.dirname(os.path.abspath(self._path))
        descriptor, working = tempfile.mkstemp(prefix=".semsearch-", dir=folder)
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump({"schema": _SCHEMA, "queries": self._queries}, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(working, self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(working)
            raise


def _record(position: Position, seen: Sequence[str]) -> dict[str, Any]:
    return {"last": position.last, "generation": position.generation, "seen": list(dict.fromkeys(seen))[-_MOST_SEEN:]}


def _key(index: str, query: str, options: SearchOptions) -> str:
    asked = [index, query, options.mode, options.alpha, options.unlike, vars(options.filters), options.group]
    return hashlib.sha256(json.dumps(asked, default=str).encode()).hexdigest()[:32]


def _identity(hit: Hit) -> str:
    return hashlib.sha256(f"{hit.file}\0{hit.text}".encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _read(path: str) -> dict[str, dict[str, Any]]:
    try:
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
        if record["schema"] != _SCHEMA:
            raise ValueError(f"its schema is {record['schema']}")
        queries = record["queries"]
        for known in queries.values():
            if not (isinstance(known["last"], int) and isinstance(known["seen"], list)):
                raise ValueError("a query's entry is not complete")
            _ = known["generation"]
    except FileNotFoundError:
        return {}
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        raise UsageError(f"--new-since {path} is not a state file", "name another file") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"--new-since {path} is not a state file: {error}", "name another file, or remove it to start anew"
        ) from None
    saved: Mapping[str, dict[str, Any]] = queries
    return dict(saved)
