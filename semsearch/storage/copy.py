"""A copy of an index to try something on: the catalog copied, segments linked, so that it takes little space."""

import json
import os
import shutil
import sqlite3

from semsearch.settings import CATALOG_FILE
from semsearch.storage.segments import link_segment
from semsearch.storage.snapshot import Reader, Snapshot


def copy_index(index: str, target: str) -> None:
    """Makes at `target` a copy of one committed state of `index`, ready for a writer of its own."""
    reader = Reader(index)
    try:
        reader.read(lambda snapshot: _copy(snapshot, target))
    finally:
        reader.close()


def _copy(snapshot: Snapshot, target: str) -> None:
    shutil.rmtree(target, ignore_errors=True)
    os.makedirs(target)
    copied = sqlite3.connect(os.path.join(target, CATALOG_FILE))
    try:
        snapshot.catalog.connection.backup(copied)
    finally:
        copied.close()
    for kind in ("lex", "vec"):
        for row in snapshot.catalog.segments(kind):
            link_segment(snapshot.index, target, row["name"], json.loads(row["files"]))
