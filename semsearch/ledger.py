"""Accounts for every file below the indexed folders: what is in the index, and what is not, why, and by which rule.

What was read is in the catalog; what the rules leave out is found by walking, so that nothing has to be kept of it.
"""

import json
import os
import sqlite3
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from semsearch import settings
from semsearch.report import display_path
from semsearch.sources.walk import File, WalkRules, is_unchanged, walk
from semsearch.storage.catalog import Catalog

SCHEMA = "semsearch.files/1"
NOT_INDEXED_YET = "not indexed yet: run semsearch index"
CHANGED = "changed since it was indexed"


@dataclass(frozen=True)
class Entry:
    """One file, or one ignored folder (its path ends with `/`).

    `status`: `indexed`; `pending` (indexed, not all of it encoded); `new` (not indexed yet); `skipped`, `failed` (see
    `reason`); `ignored` (by `rule`: ignore file, line and pattern, or the globs of a flag). `encoding` is what was
    assumed where it is not UTF-8.
    """

    path: str
    status: str
    reason: str = ""
    rule: str = ""
    type: str = ""
    language: str = ""
    encoding: str = ""
    chunks: int = 0
    size: int | None = None


@dataclass(frozen=True)
class _Holdings:
    """What the catalog says: roots, rows by root and path, walk rules, the last encoded chunk."""

    roots: list[tuple[int, str, str]]
    rows: dict[int, dict[bytes, sqlite3.Row]]
    rules: WalkRules
    generation: int
    embedded_to: int


def entries(index: str | None, wanted: Callable[[str], bool] = lambda status: True) -> tuple[str, list[Entry]]:
    """(index folder, every entry whose status is `wanted`, by path)."""
    path = settings.index_for_reading(index)
    held = Catalog.read(path, _holdings)
    several = len(held.roots) > 1
    found: list[Entry] = []
    for root_id, root, label in held.roots:
        rows = dict(held.rows[root_id])

        def ignored(name: str, reason: str, rule: str, label: str = label) -> None:
            found.append(Entry(display_path(label, os.fsencode(name), several), "ignored", reason, rule))

        for file in walk(root, held.rules, path, lambda name, error: None, ignored) if os.path.isdir(root) else ():
            name = os.fsencode(file.path)
            found.append(_entry(display_path(label, name, several), rows.pop(name, None), file, held))
        for name, row in rows.items():
            found.append(_entry(display_path(label, name, several), row, None, held))
    return path, sorted((entry for entry in found if wanted(entry.status)), key=lambda entry: entry.path)


def as_dict(index: str, found: list[Entry]) -> dict[str, Any]:
    """The `semsearch.files/1` object."""
    return {"schema": SCHEMA, "index": index, "files": [asdict(entry) for entry in found]}


def _holdings(catalog: Catalog) -> _Holdings:
    roots = catalog.roots()
    return _Holdings(
        roots,
        {root_id: {row["path"]: row for row in catalog.files(root_id)} for root_id, _, _ in roots},
        WalkRules(**catalog.setting("rules", {})),
        catalog.setting("generation", 1),
        catalog.setting("embedded_to", 0),
    )


def _entry(shown: str, row: sqlite3.Row | None, file: File | None, held: _Holdings) -> Entry:
    if row is None:
        assert file is not None
        if file.skip:
            return Entry(shown, "skipped", file.skip, size=file.size)
        return Entry(shown, "new", NOT_INDEXED_YET, size=file.size)
    status, reason = row["status"], row["reason"]
    last = row["first_chunk"] + row["chunk_count"] - 1
    if status == "indexed" and row["chunk_count"] and last > held.embedded_to:
        status = "pending"
    if file is None:
        reason = reason or "no longer there, or left out by the rules: semsearch index removes it"
    elif status in ("indexed", "pending") and not is_unchanged(file, row, row["generation"]):
        racy = row["size"] == file.size and row["mtime_ns"] == file.mtime_ns and row["inode"] == file.inode
        reason = reason or ("" if racy else CHANGED)
    metadata = json.loads(row["metadata"])
    return Entry(
        shown,
        status,
        reason,
        "",
        row["type"],
        row["language"],
        str(metadata.get("encoding", "")),
        row["chunk_count"],
        row["size"],
    )
