"""Which files a search may return: decided on the catalog before the scan, so that a filter never empties the top k."""

import fnmatch
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import UsageError
from semsearch.report import display_path
from semsearch.storage.catalog import Catalog


@dataclass(frozen=True)
class Filters:
    """What a file must be to be searched; empty fields let everything in.

    `paths`: globs in gitignore syntax on the shown path, one must match; `types`: type names or suffixes, one must be
    the file's; `where`: (key, value or glob) on the metadata, for each key one must match; `since` (inclusive) and
    `before` (exclusive): seconds since the epoch, compared with the document's own date, else its modification time;
    `after`: only passages that were indexed after the one with this chunk id.
    """

    paths: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    where: tuple[tuple[str, str], ...] = ()
    since: float | None = None
    before: float | None = None
    after: int = 0

    def __bool__(self) -> bool:
        return self != Filters()


def allowed_ranges(
    catalog: Catalog, filters: Filters, prefix: str, unmatched: Callable[[str], None]
) -> list[tuple[int, int]] | None:
    """(first chunk id, past-last id) of each indexed file the filters let in, rising; None: no filter, all files.

    `prefix` stands before the shown paths; `unmatched` is told of each glob that no indexed file matches.
    """
    if not filters:
        return None
    rows: Sequence[sqlite3.Row] = catalog.connection.execute(
        "SELECT root_id, path, type, title, language, metadata, COALESCE(date, mtime_ns / 1e9) AS moment, first_chunk,"
        " chunk_count FROM files WHERE status = 'indexed' ORDER BY first_chunk"
    ).fetchall()
    if filters.types:
        wanted = {_type(name) for name in filters.types}
        rows = [row for row in rows if row["type"] in wanted]
    if filters.since is not None:
        rows = [row for row in rows if row["moment"] >= filters.since]
    if filters.before is not None:
        rows = [row for row in rows if row["moment"] < filters.before]
    if filters.paths:
        from semsearch.sources.ignore import compile_globs

        roots = catalog.roots()
        labels = {root_id: label for root_id, _, label in roots}
        shown = [prefix + display_path(labels[row["root_id"]], row["path"], len(roots) > 1) for row in rows]
        chosen: set[int] = set()
        for glob in filters.paths:
            matching = compile_globs([_as_shown(glob, roots, prefix)])
            found = [number for number, path in enumerate(shown) if matching.match_file(path)]
            if not found:
                unmatched(glob)
            chosen.update(found)
        rows = [row for number, row in enumerate(rows) if number in chosen]
    if filters.where:
        rows = [row for row in rows if _matches(row, filters.where)]
    ranges = [(row["first_chunk"], row["first_chunk"] + row["chunk_count"]) for row in rows]
    return [(max(first, filters.after + 1), last) for first, last in ranges if last > filters.after + 1]


def _as_shown(glob: str, roots: Sequence[tuple[int, str, str]], prefix: str) -> str:
    """A glob that names a file as the shell does, `./notes` or absolute, as one on the shown paths."""
    if glob.startswith("./"):
        return "/" + glob[2:]
    for _, root, label in roots:
        inside = root.rstrip("/") + "/"
        if glob.startswith(inside) or glob == root:
            shown = prefix + (f"{label}/" if len(roots) > 1 else "")
            return f"/{shown}{glob[len(inside) :]}" if glob[len(inside) :] or shown else "*"
    return glob


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


def parse_where(conditions: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """(key, value) of each `KEY=VALUE`, in lower case."""
    parsed = []
    for condition in conditions:
        key, equals, value = condition.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--where {condition} is not KEY=VALUE", "write it like: --where author='*Aldous*'")
        parsed.append((key.strip().lower(), value.strip().lower()))
    return tuple(parsed)


def _matches(row: sqlite3.Row, where: tuple[tuple[str, str], ...]) -> bool:
    metadata: Mapping[str, Any] = json.loads(row["metadata"])
    values: dict[str, Any] = {"title": row["title"], "language": row["language"], "type": row["type"]}
    values |= {key.lower(): value for key, value in metadata.items()}
    for key in {key for key, _ in where}:
        found = values.get(key)
        shown = [_shown(item) for item in (found if isinstance(found, list) else [found]) if item is not None]
        wanted = [value for name, value in where if name == key]
        if not any(fnmatch.fnmatchcase(item, value) for item in shown for value in wanted):
            return False
    return True


def _shown(value: object) -> str:
    return str(value).lower()


def _type(name: str) -> str:
    from semsearch.sources.registry import type_named, type_names  # 10 ms, for searches that ask for a type

    found = type_named(name)
    if found is None:
        raise UsageError(f"no document type called {name}", "known types: " + ", ".join(type_names()))
    return found
