"""`models prepare`: a model is made ready before it is needed."""

import os
import time

from semsearch.callbacks import Announce
from semsearch.embedding.cache import cache_path, read_info
from semsearch.embedding.fingerprint import WEIGHTS, sizes_of
from semsearch.embedding.open import open_model
from semsearch.embedding.rerankers import BGE_HEAD, only_reranks, open_reranker
from semsearch.embedding.resolve import resolve
from semsearch.embedding.sparse_head import head_of
from semsearch.embedding.sparse_model import open_sparse, sparse_fingerprint
from semsearch.errors import ModelError


def prepare(name: str, trust: bool, announce: Announce) -> list[str]:
    """Prepares the model `name` where it is not; returns what is to be told of each of its outputs, dense vectors,
    learned sparse ones and those of tokens: its runtime, time, size and place.

    `trust`: code in its folder may be run. Raises `ModelError`.
    """
    source = resolve(name, None, trust)
    if source.kind == "api":
        raise ModelError(f"{name} is behind an API: there is nothing to prepare", "", code="model_not_found")
    head = head_of(source.folder)
    told = []
    if only_reranks(source.folder) or os.path.isfile(os.path.join(source.folder, BGE_HEAD)):
        began = time.perf_counter()
        reranker = open_reranker(source.folder, announce)
        told.append(f"{source.name}: {reranker.runtime}, for --rerank, ready in {time.perf_counter() - began:.1f} s")
    if head != "sparse-encoder" and not only_reranks(source.folder):
        path = source.cache_path()
        is_new = read_info(path) is None
        if is_new:
            announce(f"{source.name}: {_megabytes(source.folder, WEIGHTS)} MB of weights in {source.folder}")
        began = time.perf_counter()
        info = open_model(source, announce).info
        told.append(f"{source.name}: {info.runtime}, {info.dim} numbers, {_how(is_new, began)}, {_size(path)}")
    if head in ("sparse-encoder", "bge-m3"):
        path = cache_path("sparse", sparse_fingerprint(source))
        is_new, began = read_info(path) is None, time.perf_counter()
        sparse = open_sparse(name, trust, announce).info
        shape = f"sparse vectors over {sparse.vocabulary:,} tokens"
        told.append(f"{source.name}: {sparse.runtime}, {shape}, {_how(is_new, began)}, {_size(path)}")
    return told


def _how(is_new: bool, began: float) -> str:
    return f"prepared in {time.perf_counter() - began:.1f} s" if is_new else "prepared before"


def _size(path: str) -> str:
    return f"{_megabytes(path)} MB in {path}"


def _megabytes(folder: str, endings: tuple[str, ...] = ("",)) -> str:
    return f"{sum(sizes_of(folder, endings)) / 1e6:,.0f}"
