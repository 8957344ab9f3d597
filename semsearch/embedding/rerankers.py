"""Models that order the best passages anew: cross-encoders and late interaction models, told apart by their folders.

A name resolves to a local folder or to the Hugging Face cache. Only with SEMSEARCH_DOWNLOAD=1 it may be downloaded,
which is announced.
"""

import json
import os
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from semsearch.callbacks import Announce
from semsearch.embedding.cache import cache_path, prepare_model, read_info
from semsearch.embedding.downloads import download
from semsearch.embedding.model_table import card_of
from semsearch.embedding.resolve import local_folder
from semsearch.errors import ModelError, for_shell
from semsearch.settings import cache_folder

CROSS_ENCODER, LATE_INTERACTION = "cross-encoder", "late-interaction"
# The head of BGE-M3 that gives token vectors.
BGE_HEAD = "colbert_linear.pt"
_OWNER = "cross-encoder"


class Reranker(Protocol):
    """A model that scores passages for a query. `runtime`: what runs it."""

    name: str
    runtime: str

    def score(self, query: str, passages: Sequence[str]) -> NDArray[np.float32]:
        """(n,) float32 in [0, 1]: how well each of `passages` answers `query`."""
        ...


def open_reranker(name: str, announce: Announce) -> Reranker:
    """The reranker called `name`, prepared for this machine first when it is not yet. Raises `ModelError`."""
    if kind_of(find_folder(name, announce)) == LATE_INTERACTION:
        from semsearch.embedding.late_interaction import open_late_interaction

        return open_late_interaction(name, announce)
    from semsearch.embedding.cross_encoder import open_cross_encoder

    return open_cross_encoder(name, announce)


def kind_of(folder: str) -> str:
    """`cross-encoder` or `late-interaction`: what the model in `folder` is. Raises `ModelError` for any other."""
    described = _json(folder, "config_sentence_transformers.json")
    architectures = [str(one) for one in _json(folder, "config.json").get("architectures") or ()]
    if any(one.endswith("ForRetrieval") for one in architectures):
        raise ModelError(
            f"{folder} reads pictures of pages ({architectures[0]})", "name a late interaction model of text"
        )
    if described.get("model_type") in ("ColBERT", "MultiVectorEncoder") or "HF_ColBERT" in architectures:
        return LATE_INTERACTION
    if os.path.isfile(os.path.join(folder, BGE_HEAD)):
        return LATE_INTERACTION
    if any("SequenceClassification" in one for one in architectures):
        return CROSS_ENCODER
    raise ModelError(
        f"{folder} cannot rerank: it has neither a classification head, as a cross-encoder has, nor one for token"
        " vectors, as a late interaction model has",
        "name a cross-encoder, or a folder of MultiVectorEncoder, PyLate, ColBERT or BGE-M3",
    )


def only_reranks(folder: str) -> bool:
    """Whether the model in `folder` says that it is a reranker, and no model of dense vectors as well."""
    kinds = ("ColBERT", "MultiVectorEncoder", "CrossEncoder")
    architectures = _json(folder, "config.json").get("architectures") or ()
    return (
        _json(folder, "config_sentence_transformers.json").get("model_type") in kinds or "HF_ColBERT" in architectures
    )


def _json(folder: str, name: str) -> dict[str, Any]:
    """The JSON object in the file `name` of `folder`; empty where there is none. Raises `ModelError`."""
    path = os.path.join(folder, name)
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is no JSON: {error}", "complete the model folder") from None
    return content if isinstance(content, dict) else {}


def find_folder(name: str, announce: Announce) -> str:
    """The folder of the model called `name`, downloaded where the user allows that. Raises `ModelError`."""
    card = card_of(name)
    owner = _OWNER if card is None or card.is_api else card.repository.partition("/")[0]
    return local_folder(name, owner) or _download(name, announce)


def prepared(kind: str, name: str, folder: str, fingerprint: str, announce: Announce) -> tuple[dict[str, Any], str]:
    """(the `info` of the record, the folder) of the model called `name` in `folder`, prepared first when it is not yet.

    Raises `ModelError`.
    """
    path = cache_path(kind, fingerprint)
    if read_info(path) is None:
        announce(f"preparing {name} for this machine, once (cached in {cache_folder()})")
        prepare_model(name, folder, fingerprint, kind, path)
    record = read_info(path)
    if record is None:
        raise ModelError(f"the model cache {path} is incomplete", f"remove it with: rm -r {for_shell(path)}")
    return record["info"], path


def _download(name: str, announce: Announce) -> str:
    """The folder `name` was downloaded to. Raises `ModelError` where the user did not allow it, or it failed."""
    by_hand = "put its files into a folder and name that"
    if os.environ.get("SEMSEARCH_DOWNLOAD") != "1":
        missing = f"no reranker called {name} on this machine (no such folder, not in the Hugging Face cache)"
        hint = f"allow the download with SEMSEARCH_DOWNLOAD=1, or {by_hand}"
        if (card := card_of(name)) is not None and card.repository:
            hint = f"download it with: semsearch models pull {card.name}"
        raise ModelError(missing, hint, code="model_not_found")
    return download(name if "/" in name else f"{_OWNER}/{name}", announce, by_hand)
