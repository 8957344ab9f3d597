"""Which files a search may return: decided on the catalog before the scan, so that a filter never empties the top k."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import UsageError
from semsearch.report import display_path
from semsearch.sources.registry import type_named, type_names
from semsearch.storage.catalog import Catalog


@dataclass(frozen=True)
class Filters:
    """`paths`: globs in gitignore syntax on the shown path, one must match; `types`: type names or suffixes."""

    paths: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.paths or self.types)


def allowed_ranges(catalog: Catalog, filters: Filters) -> list[tuple[int, int]] | None:
    """(first chunk id, past-last id) of each indexed file the filters let in, rising; None: no filter, all files."""
    if not filters:
        return None
    rows: Sequence[sqlite3.Row] = catalog.connection.execute(
        "SELECT root_id, path, type, first_chunk, chunk_count FROM files WHERE status = 'indexed' ORDER BY first_chunk"
    ).fetchall()
    if filters.types:
        wanted = {_type(name) for name in filters.types}
        rows = [row for row in rows if row["type"] in wanted]
    if filters.paths:
        from semsearch.sources.ignore import compile_globs

        globs = compile_globs(filters.paths)
        roots = catalog.roots()
        labels = {root_id: label for root_id, _, label in roots}
        rows = [
            row for row in rows if globs.match_file(display_path(labels[row["root_id"]], row["path"], len(roots) > 1))
        ]
    return [(row["first_chunk"], row["first_chunk"] + row["chunk_count"]) for row in rows]


def allowed_rows(
    ids: NDArray[np.int64], alive: NDArray[np.bool_] | None, ranges: list[tuple[int, int]] | None
) -> NDArray[np.bool_] | None:
    """Which rows of a segment with chunk ids `ids` may be returned, (n,) bool; None: all."""
    if ranges is None:
        return alive
    allowed = np.zeros(len(ids), np.bool_)
    for low, high in np.searchsorted(ids, np.array(ranges, np.int64).reshape(-1, 2)):
        allowed[low:high] = True
    return allowed if alive is None else allowed & alive


def _type(name: str) -> str:
    found = type_named(name)
    if found is None:
        raise UsageError(f"no document type called {name}", "known types: " + ", ".join(type_names()))
    return found
