"""A searcher over a few texts."""

from pathlib import Path

from semsearch.indexing import IndexOptions, index_folders
from semsearch.retrieval.searcher import Searcher
from tests.support.folders import write


def searcher_of(folder: Path, files: dict[str, str]) -> Searcher:
    """Writes `files` (name -> content) to `folder` and indexes them with the static model."""
    write(folder, files)
    index_folders([str(folder)], None, IndexOptions(model="static"))
    return Searcher(str(folder))
