"""Prepared models that stay open, in a process that runs many commands: none in any other.

Only those whose vectors come without PyTorch: they start no threads that a fork(2) would lose.
"""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from semsearch.chunking.tokenizers import SubwordTokenizer
    from semsearch.embedding.embedder import Embedder
    from semsearch.embedding.sparse_model import SparseModel

# Hears the folder and the name of each model that is asked for and not kept.
on_open: Callable[[str, str], None] | None = None
MOST = 2
# (folder, name) -> (what was read there, the model); the one used last comes last.
_kept: "dict[tuple[str, str], tuple[object, Embedder | SparseModel]]" = {}


def find(folder: str, name: str) -> "Embedder | None":
    """The model called `name` that was opened from `folder`, unless that has changed since."""
    return cast("Embedder | None", _find(folder, name))


def find_sparse(folder: str, name: str) -> "SparseModel | None":
    """`find` for a model of learned sparse vectors, which are prepared in folders of their own."""
    return cast("SparseModel | None", _find(folder, name))


def _find(folder: str, name: str) -> "Embedder | SparseModel | None":
    stamp, model = _kept.get((folder, name), (None, None))
    try:
        if model is not None and stamp == _stamp(folder):
            return model
    except OSError:  # it is gone, which matters only where the model is needed
        return None
    if on_open is not None:
        on_open(folder, name)
    return None


def tokenizer(folder: str, name: str) -> "SubwordTokenizer | None":
    """The tokenizer of the model that `find` would give."""
    embedder = find(folder, name)
    return None if embedder is None else embedder.tokenizer


def keep(folder: str, name: str) -> None:
    """Opens the model called `name` from `folder`, unless it is kept. Raises `ModelError`."""
    from semsearch.embedding import open as opening
    from semsearch.embedding import sparse_model
    from semsearch.embedding.cache import is_sparse, read_info

    record = read_info(folder)
    if record is None or record["info"].get("runtime") == "torch-fp32":
        return
    kept = _kept.pop((folder, name), None)
    stamp = _stamp(folder)
    if kept is None or kept[0] != stamp:
        kept = (stamp, sparse_model.load(folder, name) if is_sparse(folder) else opening.load(folder, name))
    _kept[folder, name] = kept
    while len(_kept) > MOST:
        del _kept[next(iter(_kept))]


def let_go() -> None:
    """Closes all of them."""
    _kept.clear()


def _stamp(folder: str) -> object:
    files = sorted(os.scandir(folder), key=lambda entry: entry.name)
    return [(one.name, one.stat().st_ino, one.stat().st_mtime_ns, one.stat().st_size) for one in files]
