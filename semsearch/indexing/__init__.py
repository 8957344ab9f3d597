"""The pipeline of `index`: walk, compare, read, chunk, commit the lexical leg; encode, commit the dense leg; merge."""

from semsearch.indexing.options import IndexOptions, Progress
from semsearch.indexing.pipeline import index_folders

__all__ = ["IndexOptions", "Progress", "index_folders"]
