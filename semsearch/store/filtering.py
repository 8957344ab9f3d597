"""Which files filters let in: pure functions that every store can use."""

import fnmatch
import json
import os
import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol, TypeVar

from semsearch.errors import UsageError
from semsearch.sources.names import display_path
from semsearch.store import checked_values as checked
from semsearch.store.records import Filters, Root

# A byte of a name as `display_path` writes it. In a glob the backslash would make the x plain, which it is.
_SHOWN_BYTE = re.compile(r"(?<!\\)\\(x[89a-f][0-9a-f])")


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


class FileRow:
    """A file, or one document of several in it, as a store keeps it in a table: `Filterable`, decoded as it is asked
    for, as metadata is rarely needed.

    `row`: id of its root, path, type, title, language, metadata as JSON, moment, first chunk id, number of chunks.
    `roots`: the ids there are. `decoded(make, what)` gives what `make` gives, or raises what says that it is damaged.
    """

    def __init__(
        self, row: Sequence[Any], roots: Collection[int], decoded: Callable[[Callable[[], Any], str], Any]
    ) -> None:
        self._row = row
        self._roots = roots
        self._decoded = decoded

    @property
    def root_id(self) -> int:
        def make() -> int:
            root_id = checked.whole(self._row[0])
            if root_id not in self._roots:
                raise ValueError(f"it is in no indexed folder: {root_id}")
            return root_id

        return int(self._decoded(make, "a file's row"))

    @property
    def path(self) -> bytes:
        return bytes(self._decoded(lambda: checked.byte_string(self._row[1]), "the path of a file"))

    @property
    def type(self) -> str:
        return str(self._row[2])

    @property
    def title(self) -> str:
        return str(self._row[3])

    @property
    def language(self) -> str:
        return str(self._row[4])

    @cached_property
    def metadata(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._decoded(
            lambda: checked.mapping(json.loads(self._row[5])), "the metadata of a file"
        )
        return found

    @property
    def moment(self) -> float:
        return float(self._decoded(lambda: checked.finite(self._row[6]), "the date of a file"))

    @property
    def span(self) -> tuple[int, int]:
        """(first chunk id, past-last id)."""

        def make() -> tuple[int, int]:
            first = checked.count(self._row[7])
            return first, first + checked.count(self._row[8])

        first, end = self._decoded(make, "the chunks of a file")
        return first, end


File = TypeVar("File", bound=Filterable)


def matching_files(
    files: Sequence[File], filters: Filters, roots: Sequence[Root], prefix: str
) -> tuple[list[File], tuple[str, ...]]:
    """The `files` that `filters` let in (`after` aside), in order, and the path globs and titles that match none of all
    `files`, whatever else is asked for; not those that keep files out.

    `prefix` stands before the shown paths. Raises `UsageError` for a type that does not exist.
    """
    rows = list(files)
    unmatched: list[str] = []
    if filters.types:
        types = {_type(name) for name in filters.types}
        rows = [row for row in rows if row.type in types]
    if filters.since is not None:
        rows = [row for row in rows if row.moment >= filters.since]
    if filters.before is not None:
        rows = [row for row in rows if row.moment < filters.before]
    if filters.paths:
        rows = _common(rows, _matching_paths(list(files), filters.paths, roots, prefix, unmatched.append))
    if filters.titles:
        names = [_names_of(row) for row in files]
        wanted_titles = [_spelled(title) for title in filters.titles]
        unmatched += [
            title
            for title, wanted in zip(filters.titles, wanted_titles, strict=True)
            if not any(wanted in name for name in names)
        ]
        named = zip(files, names, strict=True)
        rows = _common(rows, [row for row, name in named if all(title in name for title in wanted_titles)])
    if filters.where:
        where = [(key.lower(), glob.lower()) for key, glob in filters.where]
        rows = [row for row in rows if _matches(row, where)]
    if filters.also is not None:
        also, more = matching_files(files, filters.also, roots, prefix)
        rows = _common(rows, also)
        unmatched += more
    for unwanted in filters.none_of:
        out, _ = matching_files(rows, unwanted, roots, prefix)
        kept_out = set(map(id, out))
        rows = [row for row in rows if id(row) not in kept_out]
    return rows, tuple(unmatched)


def _common(rows: Sequence[File], others: Sequence[File]) -> list[File]:
    kept = set(map(id, others))
    return [row for row in rows if id(row) in kept]


def _matching_paths(
    rows: list[File], globs: Sequence[str], roots: Sequence[Root], prefix: str, unmatched: Callable[[str], None]
) -> list[File]:
    from semsearch.sources.ignore import compile_globs

    labels = {root.id: root.label for root in roots}
    # A file system may keep names decomposed, and a keyboard composes them.
    shown = [_composed(prefix + display_path(labels[row.root_id], row.path, len(roots) > 1)) for row in rows]
    chosen: set[int] = set()
    for glob in globs:
        matching = compile_globs([_composed(_as_shown(glob, roots, prefix))])
        numbers = [number for number, path in enumerate(shown) if matching.match_file(path)]
        if not numbers:  # it may be a path from the working folder, as results show it
            whole = os.path.abspath(glob) + ("/" if glob.endswith("/") else "")
            matching = compile_globs([_composed(_as_shown(whole, roots, prefix))])
            numbers = [number for number, path in enumerate(shown) if matching.match_file(path)]
        if not numbers:
            unmatched(glob)
        chosen.update(numbers)
    return [row for number, row in enumerate(rows) if number in chosen]


def _composed(path: str) -> str:
    return unicodedata.normalize("NFC", path)


def _names_of(row: Filterable) -> str:
    """The words of the title of a file, and of its name, with and without suffix, as `_spelled` writes them."""
    name = os.fsdecode(row.path).rsplit("/", 1)[-1]
    return _spelled(row.title) + _spelled(name) + _spelled(name.rpartition(".")[0])


def _spelled(text: str) -> str:
    """The words of `text`, each between marks, to find words that follow one another."""
    from semsearch.lexical.phrases import phrase_units

    return "\x1f" + "\x1f".join(phrase_units(text)) + "\x1f"


def _as_shown(glob: str, roots: Sequence[Root], prefix: str) -> str:
    """A glob that names a file as the shell does, `./notes` or absolute, as one on the shown paths.

    Bytes that are not UTF-8 may be given as they are, or as results show them (`\\xe4`).
    """
    glob = _SHOWN_BYTE.sub(r"\\\\\1", os.fsencode(glob).decode("utf-8", "backslashreplace"))
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
