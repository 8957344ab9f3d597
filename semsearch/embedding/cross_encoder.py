"""Scores a query and a passage read together: a sentence-transformers CrossEncoder, run on ONNX Runtime.

A name resolves to a local folder or to the Hugging Face cache. Only with SEMSEARCH_DOWNLOAD=1 it may be downloaded,
which is announced.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.callbacks import Announce
from semsearch.embedding.cache import cache_path, prepare_model, read_info
from semsearch.embedding.downloads import download
from semsearch.embedding.fingerprint import fingerprint_of
from semsearch.embedding.resolve import local_folder
from semsearch.errors import ModelError, for_shell
from semsearch.no_telemetry import switch_off_telemetry
from semsearch.settings import cache_folder
from semsearch.shortage import shortage_of

_OWNER = "cross-encoder"


def open_reranker(name: str, announce: Announce) -> "Reranker":
    """The Reranker called `name`, prepared for this machine first when it is not yet. Raises `ModelError`."""
    folder = local_folder(name, _OWNER) or _download(name, announce)
    fingerprint = fingerprint_of(folder)
    path = cache_path("cross-encoder", fingerprint)
    if read_info(path) is None:
        announce(f"preparing {name} for this machine, once (cached in {cache_folder()})")
        prepare_model(name, folder, fingerprint, "cross-encoder", path)
    record = read_info(path)
    if record is None:
        raise ModelError(f"the model cache {path} is incomplete", f"remove it with: rm -r {for_shell(path)}")
    return Reranker(record["info"], path)


class Reranker:
    """Scores pairs of query and passage with the model at `folder`; a score depends on its own pair alone.

    `info` holds `name`; `window`: most tokens of a pair; `inputs`: the names of the model's inputs; `runtime`. Raises
    `ModelError` where it cannot be loaded.
    """

    def __init__(self, info: dict[str, Any], folder: str) -> None:
        switch_off_telemetry()
        import onnxruntime
        from tokenizers import Tokenizer

        self.name: str = info["name"]
        self.runtime: str = info["runtime"]
        self._inputs: list[str] = info["inputs"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
            self._session = onnxruntime.InferenceSession(
                os.path.join(folder, "model.ort"), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the exception classes of both libraries are not public
            if shortage_of(error):
                raise
            raise ModelError(
                f"the prepared model in {folder} cannot be loaded: {str(error).splitlines()[0]}",
                f"remove it and run again: rm -r {for_shell(folder)}",
            ) from None
        self._tokenizer.no_padding()
        # As sentence-transformers cuts pairs: the longer of both texts loses first.
        self._tokenizer.enable_truncation(info["window"], strategy="longest_first")
        self._workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    def score(self, query: str, passages: Sequence[str]) -> NDArray[np.float32]:
        """(n,) float32 in [0, 1]: how well each of `passages` answers `query`, the sigmoid of the model's logit."""
        logits = self.logits([(query, passage) for passage in passages])
        scores: NDArray[np.float32] = (1 / (1 + np.exp(-np.clip(logits, -60, 60)))).astype(np.float32)
        return scores

    def logits(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """(n,) float64: the model's logit of each pair of query and passage, not bounded."""
        with ThreadPoolExecutor(self._workers) as pool:
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


def _download(name: str, announce: Announce) -> str:
    """The folder `name` was downloaded to. Raises `ModelError` where the user did not allow it, or it failed."""
    by_hand = "put its files into a folder and name that"
    if os.environ.get("SEMSEARCH_DOWNLOAD") != "1":
        missing = f"no reranker called {name} on this machine (no such folder, not in the Hugging Face cache)"
        hint = f"allow the download with SEMSEARCH_DOWNLOAD=1, or {by_hand}"
        raise ModelError(missing, hint, code="model_not_found")
    return download(name if "/" in name else f"{_OWNER}/{name}", announce, by_hand)
