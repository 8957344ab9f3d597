"""The model of an index, found on this machine to be trained."""

from dataclasses import dataclass

from semsearch.embedding.cache import read_info
from semsearch.embedding.model_info import ModelInfo
from semsearch.embedding.open import open_recorded
from semsearch.embedding.resolve import ModelSource, resolve
from semsearch.errors import ModelError, for_shell
from semsearch.store.opening import read_index
from semsearch.tuning.training_set import trainable_model


@dataclass(frozen=True)
class BaseModel:
    """The model of an index.

    `source`: its weights on this machine; `info`: as the index recorded it. `dims`: the lengths its vectors may be
    truncated to, longest first, the full one among them; empty where they may not. `dim`: the length they are truncated
    to in the index; None: they are not.
    """

    source: ModelSource
    info: ModelInfo
    dims: tuple[int, ...]
    dim: int | None


def base_model_of(index: str) -> BaseModel:
    """The model of the index at `index`. Raises `ModelError` where it cannot be trained."""
    info = read_index(index, trainable_model)
    open_recorded(info, lambda message: None)  # raises where this machine has another model of that name
    if info.is_api or info.runtime == "static":
        raise ModelError(
            f"{info.name} cannot be trained here",
            "learn a map of its query vectors with: semsearch tune --adapter",
            code="model_not_trainable",
        )
    source = resolve(info.name)
    if source.fingerprint != info.fingerprint:
        raise ModelError(
            f"the index was made with another {info.name} than the one on this machine",
            f"re-encode it with: semsearch index --rebuild --model {for_shell(info.name)}",
            code="model_mismatch",
        )
    if source.card is not None and source.card.remote_code:
        raise ModelError(
            f"{info.name} runs code of its own, and cannot be trained here",
            "learn a map of its query vectors with: semsearch tune --adapter",
            code="model_not_trainable",
        )
    record = read_info(source.cache_path())
    full = record["info"]["dim"] if record is not None else info.dim
    dim = info.dim if info.dim < full else None
    known = source.card.matryoshka if source.card is not None else ()
    shorter = {length for length in known if length < full} | ({dim} if dim else set())
    return BaseModel(source, info, tuple(sorted({full, *shorter}, reverse=True)) if shorter else (), dim)
