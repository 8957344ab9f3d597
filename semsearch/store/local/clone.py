"""A private copy of an index folder: the catalog copied, segments linked, so that it takes little space."""

import os
import shutil
import sqlite3

from semsearch.private_files import create, make_folders
from semsearch.settings import CATALOG_FILE
from semsearch.store.local import rows
from semsearch.store.local.segment_folder import link_segment
from semsearch.store.local.snapshot import LocalSnapshot
from semsearch.store.local.sparse_segments import SparseSegments


def clone_index(snapshot: LocalSnapshot, target: str) -> None:
    """Makes at `target` a copy of the state of `snapshot`, ready for a writer of its own; replaces what is there."""
    shutil.rmtree(target, ignore_errors=True)
    make_folders(target)
    catalog = os.path.join(target, CATALOG_FILE)
    os.close(create(catalog))
    copied = sqlite3.connect(catalog)
    try:
        snapshot.catalog.copy_to(copied)
    finally:
        copied.close()
    catalog_segments = [one for kind in ("lex", "vec") for one in rows.segments(snapshot.catalog, kind)]
    for segment in (*catalog_segments, *SparseSegments.of(snapshot.catalog).segments):
        link_segment(snapshot.folder, target, segment.name, segment.files)
