"""Scores a query and a passage read together: a sentence-transformers CrossEncoder, run on ONNX Runtime."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.callbacks import Announce
from semsearch.embedding.fingerprint import fingerprint_of
from semsearch.embedding.onnx_session import open_tokenizer_and_session
from semsearch.embedding.rerankers import CROSS_ENCODER, find_folder, prepared
from semsearch.subprocesses import core_count


def open_cross_encoder(name: str, announce: Announce) -> "CrossEncoder":
    """The CrossEncoder called `name`, prepared for this machine first when it is not yet. Raises `ModelError`."""
    folder = find_folder(name, announce)
    return CrossEncoder(*prepared(CROSS_ENCODER, name, folder, fingerprint_of(folder), announce))


class CrossEncoder:
    """Scores pairs of query and passage with the model at `folder`; a score depends on its own pair alone.

    `info` holds `name`; `window`: most tokens of a pair; `inputs`: the names of the model's inputs; `runtime`. Raises
    `ModelError` where it cannot be loaded.
    """

    def __init__(self, info: dict[str, Any], folder: str) -> None:
        self.name: str = info["name"]
        self.runtime: str = info["runtime"]
        self._inputs: list[str] = info["inputs"]
        self._tokenizer, self._session = open_tokenizer_and_session(folder)
        self._tokenizer.no_padding()
        # As sentence-transformers cuts pairs: the longer of both texts loses first.
        self._tokenizer.enable_truncation(info["window"], strategy="longest_first")

    def score(self, query: str, passages: Sequence[str]) -> NDArray[np.float32]:
        """(n,) float32 in [0, 1]: how well each of `passages` answers `query`, the sigmoid of the model's logit."""
        logits = self.logits([(query, passage) for passage in passages])
        scores: NDArray[np.float32] = (1 / (1 + np.exp(-np.clip(logits, -60, 60)))).astype(np.float32)
        return scores

    def logits(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """(n,) float64: the model's logit of each pair of query and passage, not bounded."""
        with ThreadPoolExecutor(core_count()) as pool:
            return np.fromiter(pool.map(self._logit, pairs), np.float64, len(pairs))

    def _logit(self, pair: tuple[str, str]) -> float:
        encoding = self._tokenizer.encode(*pair)
        values = {
            "input_ids": encoding.ids,
            "attention_mask": encoding.attention_mask,
            "token_type_ids": encoding.type_ids,
        }
        feed = {name: np.array([values[name]], np.int64) for name in self._inputs}
        return float(self._session.run(None, feed)[0][0, 0])
