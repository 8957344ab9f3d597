"""Which files filters let in: pure functions that every store can use."""

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from semsearch.errors import UsageError
from semsearch.sources.walk import display_path
from semsearch.store.records import Filters, Root


class Filterable(Protocol):
    """What filters look at; a `FileRecord` is one."""

    @property
    def root_id(self) -> int: ...

    @property
    def path(self) -> bytes: ...

    @property
    def type(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def language(self) -> str: ...

    @property
    def metadata(self) -> Mapping[str, Any]: ...

    @property
    def moment(self) -> float: ...


File = TypeVar("File", bound=Filterable)


def matching_files(
    files: Sequence[File], filters: Filters, roots: Sequence[Root], prefix: str
) -> tuple[list[File], tuple[str, ...]]:
    """The `files` that `filters` let in (`after` aside), in order, and the path globs that match none of them.

    `prefix` stands before the shown paths. Raises `UsageError` for a type that does not exist.
    """
    rows = list(files)
    unmatched: list[str] = []
    if filters.types:
        wanted = {_type(name) for name in filters.types}
        rows = [row for row in rows if row.type in wanted]
    if filters.since is not None:
        rows = [row for row in rows if row.moment >= filters.since]
    if filters.before is not None:
        rows = [row for row in rows if row.moment < filters.before]
    if filters.paths:
        rows = _matching_paths(rows, filters.paths, roots, prefix, unmatched.append)
    if filters.where:
        where = [(key.lower(), glob.lower()) for key, glob in filters.where]
        rows = [row for row in rows if _matches(row, where)]
    return rows, tuple(unmatched)


def _matching_paths(
    rows: list[File], globs: Sequence[str], roots: Sequence[Root], prefix: str, unmatched: Callable[[str], None]
) -> list[File]:
    from semsearch.sources.ignore import compile_globs

    labels = {root.id: root.label for root in roots}
    shown = [prefix + display_path(labels[row.root_id], row.path, len(roots) > 1) for row in rows]
    chosen: set[int] = set()
    for glob in globs:
        matching = compile_globs([_as_shown(glob, roots, prefix)])
        numbers = [number for number, path in enumerate(shown) if matching.match_file(path)]
        if not numbers:
            unmatched(glob)
        chosen.update(numbers)
    return [row for number, row in enumerate(rows) if number in chosen]


def _as_shown(glob: str, roots: Sequence[Root], prefix: str) -> str:
    """A glob that names a file as the shell does, `./notes` or absolute, as one on the shown paths."""
    if glob.startswith("./"):
        return "/" + glob[2:]
    for root in roots:
        inside = root.path.rstrip("/") + "/"
        if glob.startswith(inside) or glob == root.path:
            shown = prefix + (f"{root.label}/" if len(roots) > 1 else "")
            return f"/{shown}{glob[len(inside) :]}" if glob[len(inside) :] or shown else "*"
    return glob


def _matches(row: Filterable, where: Sequence[tuple[str, str]]) -> bool:
    values: dict[str, Any] = {"title": row.title, "language": row.language, "type": row.type}
    values |= {key.lower(): value for key, value in row.metadata.items()}
    for key in {key for key, _ in where}:
        value = values.get(key)
        shown = [str(item).lower() for item in (value if isinstance(value, list) else [value]) if item is not None]
        wanted = [glob for name, glob in where if name == key]
        if not any(fnmatch.fnmatchcase(item, glob) for item in shown for glob in wanted):
            return False
    return True


def _type(name: str) -> str:
    from semsearch.sources.document_types import type_named, type_names  # 10 ms, for searches that ask for a type

    known = type_named(name)
    if known is None:
        raise UsageError(f"no document type called {name}", "known types: " + ", ".join(type_names()))
    return known
