"""The chunks that filters let in, as ranges of ids: the chunks of a file are contiguous."""

import json
import sqlite3
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any

from semsearch.store.checked_values import of_type
from semsearch.store.local import rows
from semsearch.store.local.damage import catalog_damaged

Span = tuple[int, int]


class FileRow:
    """What filters look at (`filtering.Filterable`), decoded as it is asked for: metadata is rarely needed."""

    def __init__(self, folder: str, row: sqlite3.Row, roots: Collection[int]) -> None:
        """`row`: a row of the table `files`, which must be in one of `roots`, the ids there are."""
        self._folder = folder
        self._row = row
        self._roots = roots

    def _decoded(self, name: str, kind: type) -> Any:
        return rows.decoded(self._folder, lambda: of_type(self._row[name], kind), f"{name} of a file")

    @property
    def root_id(self) -> int:
        root_id = int(self._decoded("root_id", int))
        if root_id not in self._roots:
            raise catalog_damaged(self._folder, f"a file is in no indexed folder: {root_id}")
        return root_id

    @property
    def path(self) -> bytes:
        return bytes(self._decoded("path", bytes))

    @property
    def type(self) -> str:
        return str(self._row["type"])

    @property
    def title(self) -> str:
        return str(self._row["title"])

    @property
    def language(self) -> str:
        return str(self._row["language"])

    @property
    def moment(self) -> float:
        return float(self._decoded("moment", float))

    @cached_property
    def metadata(self) -> Mapping[str, Any]:
        def make() -> dict[str, Any]:
            return of_type(json.loads(self._row["metadata"]), dict)

        return rows.decoded(self._folder, make, "metadata of a file")

    @property
    def span(self) -> Span:
        """(first chunk id, past-last id)."""
        return rows.decoded(self._folder, lambda: rows.span(self._row), "the chunks of a file")
