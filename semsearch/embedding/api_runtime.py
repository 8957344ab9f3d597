"""Runs a model behind a provider's API: batches within its limits, several at a time, tried again when it is busy.

A provider's module (`openai_api`, `cohere_api`, `voyage_api`) sends one batch and tells its client's errors apart; what
comes back is checked here, for a server may leave out vectors, ignore the length it was asked for, or send nonsense.
"""

import os
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from semsearch.chunking.tokenizers import SubwordTokenizer
from semsearch.embedding.embedder import ModelInfo, Vectors, unit_rows
from semsearch.errors import ModelError

_AT_ONCE = 4
_ATTEMPTS = 6
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 60.0
# Characters a token has at least, on the average of a batch: for limits in tokens, which no batch should exceed.
_CHARACTERS_A_TOKEN = 2
# An encoded picture, say: by no means words.
_ENDLESS_WORD = re.compile(r"[!-~]{1000}")
_SHORTEST_NORM = 1e-6
_KEYS = ("OPENAI_API_KEY", "JINA_API_KEY", "CO_API_KEY", "COHERE_API_KEY", "VOYAGE_API_KEY")


class BusyError(Exception):
    """The provider may answer later: too many requests, or trouble of its own. `after`: seconds it asked to wait."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


@dataclass(frozen=True)
class Provider:
    """How to reach a provider's model: `send(texts, query)` returns a vector for each text.

    `texts`, `tokens`: most of them in one request.
    """

    name: str
    send: Callable[[Sequence[str], bool], Sequence[Sequence[float]]]
    texts: int
    tokens: int


class ApiEmbedder:
    """An Embedder over `provider`; `tokenizer` is only a ruler. `info.dim` 0: whatever the first answer has."""

    def __init__(self, info: ModelInfo, tokenizer: SubwordTokenizer, provider: Provider) -> None:
        self.info = info
        self.tokenizer = tokenizer
        self._provider = provider
        # Hears of each answer, also of those beside one that failed.
        self.on_answer: Callable[[list[str], Vectors], None] | None = None

    def encode(self, texts: Sequence[str], done: Callable[[int], None] | None = None) -> Vectors:
        """(n, dim) float32 unit rows of passages. Raises `ModelError`."""
        parts = list(self._batches(texts))
        found: list[Vectors] = []
        failure: Exception | None = None
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            pending = [pool.submit(self._ask, part, False) for part in parts]
            for part, answer in zip(parts, pending, strict=True):
                try:
                    found.append(answer.result())
                except CancelledError:
                    continue
                except Exception as error:  # what the others bring was paid for, and is kept
                    failure = failure or error
                    pool.shutdown(wait=False, cancel_futures=True)
                    continue
                if self.on_answer:
                    self.on_answer(part, found[-1])
                if done:
                    done(len(part))
        if failure is not None:
            raise failure
        return np.concatenate(found) if found else np.empty((0, self.info.dim), np.float32)

    def encode_query(self, text: str) -> Vectors:
        """(dim,) float32, unit length. Raises `ModelError`."""
        vector: Vectors = self._ask([text], True)[0]
        return vector

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """(n, dim) float32 unit rows of queries, in one request where they fit. Raises `ModelError`."""
        return np.concatenate([self._ask(part, True) for part in self._batches(texts)])

    def _batches(self, texts: Sequence[str]) -> Iterator[list[str]]:
        batch: list[str] = []
        size = 0
        for text in texts:
            tokens = len(text.encode("utf-8", "replace")) // _CHARACTERS_A_TOKEN + 1
            if batch and (len(batch) == self._provider.texts or size + tokens > self._provider.tokens):
                yield batch
                batch, size = [], 0
            batch.append(text)
            size += tokens
        if batch:
            yield batch

    def _sent(self, text: str) -> str:
        """`text` as it is sent: some refuse what is only white space, and what is longer than the window."""
        if len(text) > self.info.window and _ENDLESS_WORD.search(text):
            # A ruler that is not the model's own may count such a word as one token.
            return text[: self.info.window]
        return text if text.strip() else "-"

    def _ask(self, texts: Sequence[str], query: bool) -> Vectors:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._checked(self._provider.send([self._sent(text) for text in texts], query), texts)
            except BusyError as error:
                if attempt == _ATTEMPTS or (error.after or 0) > _LONGEST_WAIT:
                    raise ModelError(
                        f"{self._provider.name} does not answer: {_without_keys(str(error))}",
                        "what was encoded is kept; run again later to go on",
                        code="provider_busy",
                    ) from None
                wait = _FIRST_WAIT * 2 ** (attempt - 1) * random.uniform(1, 1.5)
                time.sleep(error.after if error.after is not None else wait)
        raise AssertionError("unreachable")

    def _checked(self, answer: Any, texts: Sequence[str]) -> Vectors:
        """`answer` as unit rows. Raises `ModelError` for what cannot be the vectors of `texts`."""
        name, model = self._provider.name, self.info.name
        if len(answer) != len(texts):
            raise _unusable(f"{name} sent {len(answer)} vectors of {model} for {len(texts)} texts")
        try:
            vectors = np.array(answer, np.float32)
        except (ValueError, TypeError):
            raise _unusable(f"{name} sent something else than vectors of {model}") from None
        if vectors.ndim != 2 or not vectors.shape[1]:
            raise _unusable(f"{name} sent vectors of {model} of different lengths")
        if self.info.dim and vectors.shape[1] != self.info.dim:
            raise _unusable(f"{name} sent vectors of {vectors.shape[1]} numbers for {model}, not {self.info.dim}")
        if not np.isfinite(vectors).all() or (np.linalg.norm(vectors, axis=1) < _SHORTEST_NORM).any():
            raise _unusable(f"{name} sent vectors of {model} that are no directions (zero, or not numbers)")
        return unit_rows(vectors)


def _unusable(what: str) -> ModelError:
    return ModelError(what, "nothing of that answer was kept; check the server and its model", code="provider_answer")


def refused(provider: str, variable: str, status: int | None, message: str) -> ModelError:
    """The error for an answer that will not change by asking again."""
    said = _without_keys(message)
    if status in (401, 403):
        return ModelError(f"{provider} refuses the key: {said}", f"set {variable} to a valid key", code="provider_key")
    if status == 402 or "quota" in said.lower() or "billing" in said.lower():
        hint = "what was encoded is kept; check your plan and billing, then run again to go on"
        return ModelError(f"{provider} gives no more: {said}", hint, code="provider_quota")
    return ModelError(f"{provider} refuses the request: {said}", "check the model's name", code="provider_refused")


def _without_keys(text: str) -> str:
    """One line of what a server said, without the keys that some repeat."""
    for variable in _KEYS:
        if key := os.environ.get(variable, "").strip():
            text = text.replace(key, "...")
    return " ".join(text.split())[:300]


def retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header; None where it says nothing in numbers."""
    try:
        seconds = float(value or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < 1e6 else None


def required_key(provider: str, *variables: str) -> str:
    """The key of `provider` in the first of the environment `variables` that is set. Raises `ModelError`."""
    for variable in variables:
        key = os.environ.get(variable, "").strip()
        if key:
            if not key.isascii() or any(not char.isprintable() or char == " " for char in key):
                raise ModelError(f"{variable} holds characters that no key has", "set it to the key alone")
            return key
    raise ModelError(f"no key for {provider}", f"set {variables[0]}", code="provider_key")


def missing_client(package: str, extra: str) -> ModelError:
    return ModelError(
        f"the client of this model's provider is not installed ({package})",
        f"install it with: pip install 'semsearch[{extra}]'",
        code="provider_client",
    )
