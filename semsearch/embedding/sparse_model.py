"""Runs a prepared sparse model with ONNX Runtime, and finds it by its name.

As with dense models (`onnx_runtime`), one text and one thread a run, as many runs at once as there are cores.
"""

import json
import os
from collections.abc import Sequence
from functools import cached_property, lru_cache
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from semsearch.callbacks import Announce
from semsearch.chunking.tokenizers import SubwordTokenizer
from semsearch.embedding import kept_models
from semsearch.embedding.cache import cache_path, damaged_model, prepare_model, read_info
from semsearch.embedding.calibration import fertility
from semsearch.embedding.each_text import each_text
from semsearch.embedding.fingerprint import FINGERPRINT, fingerprint_of
from semsearch.embedding.onnx_session import open_session, opened
from semsearch.embedding.resolve import ModelSource, resolve
from semsearch.embedding.sparse_head import BGE_M3_HEAD, head_of
from semsearch.embedding.sparse_info import SparseInfo
from semsearch.errors import ModelError, for_shell
from semsearch.lexical.sparse_vector import SparseVector, pruned_passage, pruned_query
from semsearch.settings import cache_folder

QUERY_FOLDER = "query"
QUERY_WEIGHTS = "query_weights.npy"
# `tune --fusion` asks each question by 81 weights, and who reads results asks for the next ones.
_QUERIES_KEPT = 64


class SparseModel:
    """The prepared sparse model in `folder`. Raises `ModelError` where it does not load."""

    def __init__(self, info: SparseInfo, folder: str) -> None:
        self.info = info
        self._folder = folder
        self._query_vector = lru_cache(_QUERIES_KEPT)(lambda text: pruned_query(self.encode_whole_query(text)))

    @cached_property
    def tokenizer(self) -> SubwordTokenizer:
        return opened(
            self._folder, lambda: SubwordTokenizer(self.info.name, os.path.join(self._folder, "tokenizer.json"))
        )

    @cached_property
    def _passages(self) -> "_Graph":
        return _Graph(self._folder, self.tokenizer)

    @cached_property
    def _queries(self) -> "_Graph":
        if self.info.queries == "same":
            return self._passages
        folder = os.path.join(self._folder, QUERY_FOLDER)
        tokenizer = os.path.join(folder, "tokenizer.json")
        return _Graph(folder, opened(folder, lambda: SubwordTokenizer(self.info.name, tokenizer)))

    @cached_property
    def _query_weights(self) -> NDArray[np.float32]:
        path = os.path.join(self._folder, QUERY_WEIGHTS)
        weights: NDArray[np.float32] = opened(self._folder, lambda: np.load(path, allow_pickle=False))
        return weights

    def encode(self, texts: Sequence[str]) -> list[SparseVector]:
        """The vector of each of the passages `texts`, as an index keeps it (`sparse_vector.pruned_passage`)."""
        return [pruned_passage(vector) for vector in self.encode_whole(texts)]

    def encode_whole(self, texts: Sequence[str]) -> list[SparseVector]:
        """The vector of each of the passages `texts`, nothing left out."""
        _ = self._passages  # opened once, not by each thread

        def one(text: str) -> SparseVector:
            return self._vector(self._passages, self.info.passage_prefix + text)

        return each_text(texts, one)

    def encode_query(self, text: str) -> SparseVector:
        """The vector of the query `text` (`sparse_vector.pruned_query`); kept, as the same is often asked again."""
        return self._query_vector(text)

    def encode_whole_query(self, text: str) -> SparseVector:
        """The vector of the query `text`, nothing left out."""
        text = self.info.query_prefix + text
        if self.info.queries != "weights":
            return self._vector(self._queries, text)
        tokens = np.unique(np.array(self.tokenizer.plain_ids([text])[0][: self.info.window], np.int64))
        tokens = tokens[tokens < len(self._query_weights)]
        weights = self._query_weights[tokens]
        held = weights > 0
        return SparseVector(tokens[held], weights[held])

    def fertility(self, texts: Sequence[str]) -> float:
        """The mean of subwords per word of `texts`, of which there is one at least."""
        return float(np.mean([fertility(text, self.tokenizer.tokens(text)) for text in texts]))

    def _vector(self, graph: "_Graph", text: str) -> SparseVector:
        ids, values = graph.run(text, self.info.window)
        if self.info.output == "tokens":
            # The largest weight of each token, as in FlagEmbedding's BGE-M3 (`M3Embedder._process_token_weights`).
            of_tokens = np.zeros(self.info.vocabulary, np.float32)
            np.maximum.at(of_tokens, ids, values)
            of_tokens[list(self.info.dropped)] = 0
            values = of_tokens
        if len(values) != self.info.vocabulary:
            raise ModelError(
                f"the model {self.info.name} gives weights of {len(values)} tokens, not {self.info.vocabulary}",
                f"remove it and run again: rm -r {for_shell(self._folder)}",
            )
        return SparseVector.of_array(values)


class _Graph:
    """The graph `model.ort` in `folder`, of one text, and the tokens it reads. Raises `ModelError`."""

    def __init__(self, folder: str, tokenizer: SubwordTokenizer) -> None:
        self._session = open_session(folder)
        self._inputs = [one.name for one in self._session.get_inputs()]
        self._tokenizer = tokenizer

    def run(self, text: str, window: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """(the tokens of `text` (t,), what the graph gives of it)."""
        ids = self._tokenizer.ids(text, window)
        inputs = {"input_ids": ids[None], "attention_mask": np.ones_like(ids)[None]}
        return ids, self._session.run(None, {name: inputs[name] for name in self._inputs})[0][0]


def open_sparse(name: str, trust: bool, announce: Announce) -> SparseModel:
    """The sparse model called `name`, prepared for this machine first when it is not yet; `trust`: code in its folder
    may be run. Raises `ModelError`."""
    try:
        source = resolve(name, None, trust)
    except ModelError as error:
        if error.code != "model_not_found":
            raise
        # Not the models of dense vectors that the table has.
        hint = error.hint if "pull" in error.hint else "put its files into a folder and name that"
        raise ModelError(error.message, hint, code="model_not_found") from None
    if source.kind != "model":
        raise no_head(name, "it is made for dense vectors alone")
    if head_of(source.folder) is None:
        raise no_head(name, f"{source.folder} has no head for them")
    fingerprint = sparse_fingerprint(source)
    path = cache_path("sparse", fingerprint)
    if read_info(path) is None:
        announce(f"preparing the sparse vectors of {name} for this machine, once (cached in {cache_folder()})")
        prepare_model(name, source.folder, fingerprint, "sparse", path, trust)
    return _opened(path, name)


def open_recorded_sparse(info: SparseInfo) -> SparseModel:
    """The sparse model that an index recorded as `info`. It is not prepared where nobody named it on this machine: an
    index may come from anywhere, and a model folder may hold code. Raises `ModelError`."""
    if not FINGERPRINT.fullmatch(info.fingerprint):
        # It becomes a path.
        raise ModelError(
            "the index records no valid fingerprint of its sparse model", "take it out: semsearch index --sparse off"
        )
    path = cache_path("sparse", info.fingerprint)
    if read_info(path) is None:
        raise ModelError(
            f"the index names the sparse model {info.name}, which was not prepared on this machine",
            f"if you trust it: semsearch index -i INDEX --sparse {for_shell(info.name)}; to be without it:"
            " semsearch index -i INDEX --sparse off",
            code="model_not_prepared",
        )
    model = _opened(path, info.name)
    if not model.info.same_vectors(info):
        raise ModelError(
            f"the sparse vectors of the index were made by {info.name} ({info.runtime}),"
            f" but here it is {model.info.runtime}",
            f"make them anew with: semsearch index --sparse {for_shell(info.name)}",
            code="model_mismatch",
        )
    return model


def sparse_fingerprint(source: ModelSource) -> str:
    """64 hex digits over all that determines the sparse vectors of the model `source`."""
    fingerprint = fingerprint_of(source.folder)
    head = os.path.join(source.folder, BGE_M3_HEAD)
    if not os.path.isfile(head):
        return fingerprint
    with open(head, "rb") as file:
        return sha256(json.dumps([fingerprint, sha256(file.read()).hexdigest()]).encode()).hexdigest()


def no_head(name: str, what: str) -> ModelError:
    """The error for a model that makes no sparse vectors."""
    return ModelError(
        f"the model {name} makes no sparse vectors: {what}",
        "name a SparseEncoder of sentence-transformers, such as a SPLADE, or BGE-M3",
    )


def _opened(path: str, name: str) -> SparseModel:
    """The model in the folder `path`, called `name`; the one that stays open, if any. Raises `ModelError`."""
    return kept_models.find_sparse(path, name) or _described(path, name)


def load(path: str, name: str) -> SparseModel:
    """A model of its own, with all that queries need open. Raises `ModelError`."""
    model = _described(path, name)
    model.encode_query("a")
    return model


def _described(path: str, name: str) -> SparseModel:
    record = read_info(path)
    if record is None:
        raise ModelError(f"the model cache {path} is incomplete", f"remove it with: rm -r {for_shell(path)}")
    try:
        return SparseModel(SparseInfo.from_dict({**record["info"], "name": name}), path)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged_model(path, f"model.json describes no model ({type(error).__name__}: {error})") from None
