"""Which model folders have a head for learned sparse vectors, told by their files alone."""

import json
import os
from typing import Any

# The head of BGE-M3 for weights of tokens, a pickle of two tensors beside its weights.
BGE_M3_HEAD = "sparse_linear.pt"
_SPARSE_MODULES = {"SpladePooling", "SparseStaticEmbedding", "SparseAutoEncoder"}


def head_of(folder: str) -> str | None:
    """What makes sparse vectors of the model in `folder`; None: nothing.

    `bge-m3`: a head beside its dense vectors; `sparse-encoder`: modules of sentence-transformers, which make nothing
    else; `masked-words`: the head of a SPLADE without modules, which other models have as well.
    """
    if os.path.isfile(os.path.join(folder, BGE_M3_HEAD)):
        return "bge-m3"
    modules = _json(folder, "modules.json")
    if not isinstance(modules, list):
        kinds = _mapping(folder, "config.json").get("architectures") or ()
        return "masked-words" if any(str(kind).endswith("ForMaskedLM") for kind in kinds) else None
    names = {str(module.get("type")).rpartition(".")[2] for module in modules if isinstance(module, dict)}
    described = _mapping(folder, "config_sentence_transformers.json")
    is_sparse = described.get("model_type") == "SparseEncoder" or not _SPARSE_MODULES.isdisjoint(names)
    return "sparse-encoder" if is_sparse else None


def _mapping(folder: str, name: str) -> dict[str, Any]:
    value = _json(folder, name)
    return value if isinstance(value, dict) else {}


def _json(folder: str, name: str) -> Any:
    """What the file `name` of the model in `folder` says; None where there is none, or it is no JSON."""
    try:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            return json.load(file)
    except (FileNotFoundError, ValueError, RecursionError):
        return None
