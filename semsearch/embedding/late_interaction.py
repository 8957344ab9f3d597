"""Late interaction (ColBERT): one vector for each token, of the query and of the passages, run on ONNX Runtime.

A passage is scored by MaxSim (`max_similarity`), so that its vectors can be made long before the query is known.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.callbacks import Announce
from semsearch.embedding.cache import cache_path, damaged_model, read_info
from semsearch.embedding.each_text import each_text
from semsearch.embedding.embedder import Vectors, unit_rows
from semsearch.embedding.fingerprint import FINGERPRINT, fingerprint_of
from semsearch.embedding.max_similarity import mean_max_similarity
from semsearch.embedding.onnx_session import open_tokenizer_and_session
from semsearch.embedding.rerankers import BGE_HEAD, LATE_INTERACTION, find_folder, prepared

# What of a folder says how it encodes, beside what `fingerprint_of` reads.
_ALSO_READ = (BGE_HEAD, "artifact.metadata")


@dataclass(frozen=True)
class TokenModel:
    """What tells the token vectors of one model from those of another: its content and their length."""

    name: str
    fingerprint: str
    dim: int


@dataclass(frozen=True)
class LateInteractionInfo:
    """How a model makes token vectors.

    `query_window`, `passage_window`: most tokens, special ones and the prefix included. Queries of fewer tokens than
    `filled_to` are filled with the token `filler` (0: none are), whose vectors count; the model looks at them only
    where it `attends`. Tokens that are `skipped` have no vectors in passages, and in queries where `skips_in_queries`;
    the first token has none where `skips_first`.
    """

    name: str
    fingerprint: str
    runtime: str
    dim: int
    query_prefix: str
    passage_prefix: str
    query_window: int
    passage_window: int
    filled_to: int = 0
    filler: int = 0
    attends: bool = False
    skipped: tuple[int, ...] = ()
    skips_in_queries: bool = False
    skips_first: bool = False

    @property
    def model(self) -> TokenModel:
        return TokenModel(self.name, self.fingerprint, self.dim)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(record: dict[str, Any]) -> "LateInteractionInfo":
        """Raises TypeError where fields are missing or strange."""
        return LateInteractionInfo(**{**record, "skipped": tuple(record["skipped"])})


def open_late_interaction(name: str, announce: Announce) -> "LateInteraction":
    """The late interaction model called `name`, prepared for this machine first when it is not yet.

    Raises `ModelError`.
    """
    folder = find_folder(name, announce)
    record, path = prepared(LATE_INTERACTION, name, folder, _fingerprint(folder), announce)
    return _opened(path, {**record, "name": name})


def open_prepared(model: TokenModel) -> "LateInteraction | None":
    """The model that an index records, None where it was not prepared on this machine: an index may come from
    anywhere. Raises `ModelError`."""
    if not FINGERPRINT.fullmatch(model.fingerprint):  # it becomes a path
        return None
    path = cache_path(LATE_INTERACTION, model.fingerprint)
    record = read_info(path)
    return None if record is None else _opened(path, record["info"])


def _opened(path: str, record: dict[str, Any]) -> "LateInteraction":
    try:
        info = LateInteractionInfo.from_dict(record)
    except (KeyError, TypeError) as error:
        raise damaged_model(path, f"model.json describes no model ({type(error).__name__}: {error})") from None
    return LateInteraction(info, path)


def _fingerprint(folder: str) -> str:
    """64 hex digits for the content of `folder`. Raises `ModelError`."""
    digest = sha256(fingerprint_of(folder).encode())
    for name in _ALSO_READ:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            with open(path, "rb") as file:
                digest.update(sha256(file.read()).digest())
    return digest.hexdigest()


class LateInteraction:
    """Token vectors by the prepared model in `folder`; those of a text depend on that text alone.

    Raises `ModelError` where it cannot be loaded.
    """

    def __init__(self, info: LateInteractionInfo, folder: str) -> None:
        self.info = info
        self.name = info.name
        self.runtime = info.runtime
        self._tokenizer, self._session = open_tokenizer_and_session(folder)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._skipped = np.array(info.skipped, np.int64)

    def score(self, query: str, passages: Sequence[str]) -> NDArray[np.float32]:
        """(n,) float32 in [0, 1]: as `score_vectors`, of `passages` that are encoded for it."""
        return self.score_vectors(query, self.encode(passages))

    def score_vectors(self, query: str, passages: Sequence[Vectors]) -> NDArray[np.float32]:
        """(n,) float32 in [0, 1]: the mean over the query's tokens of the best cosine with a token of the passage, 0
        where that is negative. `passages`: the token vectors of each, (tokens, dim) unit rows."""
        return np.maximum(mean_max_similarity(self.encode_query(query), passages), 0)

    def encode_query(self, text: str) -> Vectors:
        """(tokens, dim) float32 unit rows."""
        ids, mask = self.query_tokens(text)
        counted = ~np.isin(ids, self._skipped) if self.info.skips_in_queries else np.ones(len(ids), np.bool_)
        return self._vectors(ids, mask, counted)

    def encode(self, texts: Sequence[str], done: Callable[[int], None] | None = None) -> list[Vectors]:
        """(tokens, dim) float32 unit rows of each passage, without those of tokens that do not count."""

        def made(text: str) -> Vectors:
            ids = self.passage_tokens(text)
            return self._vectors(ids, np.ones_like(ids), ~np.isin(ids, self._skipped))

        return each_text(texts, made, done)

    def query_tokens(self, text: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """((n,) ids, (n,) which of them the model looks at) of a query."""
        info = self.info
        ids = self._ids(info.query_prefix + text, info.query_window)
        filled = max(0, info.filled_to - len(ids))
        mask = np.concatenate([np.ones(len(ids), np.int64), np.full(filled, int(info.attends), np.int64)])
        return np.concatenate([ids, np.full(filled, info.filler, np.int64)]), mask

    def passage_tokens(self, text: str) -> NDArray[np.int64]:
        """(n,) ids of a passage."""
        return self._ids(self.info.passage_prefix + text, self.info.passage_window)

    def _ids(self, text: str, window: int) -> NDArray[np.int64]:
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        encoding.truncate(window - self._tokenizer.num_special_tokens_to_add(False))
        return np.array(self._tokenizer.post_process(encoding).ids, np.int64)

    def _vectors(self, ids: NDArray[np.int64], mask: NDArray[np.int64], counted: NDArray[np.bool_]) -> Vectors:
        if not len(ids):
            return np.empty((0, self.info.dim), np.float32)
        if self.info.skips_first:
            counted[:1] = False
        vectors = self._session.run(None, {"input_ids": ids[None], "attention_mask": mask[None]})[0][0]
        return unit_rows(vectors[counted])
