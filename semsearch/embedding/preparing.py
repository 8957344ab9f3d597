"""`models prepare`: a model is made ready before it is needed."""

import time

from semsearch.callbacks import Announce
from semsearch.embedding.cache import read_info
from semsearch.embedding.fingerprint import WEIGHTS, sizes_of
from semsearch.embedding.open import open_model
from semsearch.embedding.resolve import resolve
from semsearch.errors import ModelError


def prepare(name: str, trust: bool, announce: Announce) -> str:
    """Prepares the model `name` where it is not; returns what is to be told of it: its runtime, time, size and place.

    `trust`: code in its folder may be run. Raises `ModelError`.
    """
    source = resolve(name, None, trust)
    if source.kind == "api":
        raise ModelError(f"{name} is behind an API: there is nothing to prepare", "", code="model_not_found")
    path = source.cache_path()
    is_new = read_info(path) is None
    if is_new:
        announce(f"{source.name}: {_megabytes(source.folder, WEIGHTS)} MB of weights in {source.folder}")
    began = time.perf_counter()
    info = open_model(source, announce).info
    how = f"prepared in {time.perf_counter() - began:.1f} s" if is_new else "prepared before"
    return f"{source.name}: {info.runtime}, {info.dim} numbers, {how}, {_megabytes(path)} MB in {path}"


def _megabytes(folder: str, endings: tuple[str, ...] = ("",)) -> str:
    return f"{sum(sizes_of(folder, endings)) / 1e6:,.0f}"
