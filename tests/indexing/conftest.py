"""A small indexed folder, and its parts as the modules of indexing hand them on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from semsearch.indexing import IndexOptions, index_folders
from semsearch.store.opening import open_store
from semsearch.store.protocol import Snapshot, Store
from tests.support.folders import write

FILES = {
    "a.txt": "Prune the roses in early spring.\n",
    "b.txt": "The night ferry leaves the harbour at ten.\n",
    "sub/c.md": "# Bread\n\nThe sourdough rests for twelve hours.\n",
    "picture.png": b"\x89PNG\r\n\x1a\n\0",
    "broken.pdf": b"%PDF-1.4 no more",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files that are indexed, one that is skipped, one that fails."""
    write(tmp_path / "folder", FILES)
    index_folders([str(tmp_path / "folder")], str(tmp_path / "index"), IndexOptions(model="static"))
    return tmp_path / "folder"


@pytest.fixture
def store(folder: Path, tmp_path: Path) -> Iterator[Store]:
    opened = open_store(str(tmp_path / "index"))
    yield opened
    opened.close()


@pytest.fixture
def snapshot(store: Store) -> Snapshot:
    """The state of the index when the test asks for it first."""
    opened: list[Snapshot] = []
    store.read(opened.append)
    return opened[0]
