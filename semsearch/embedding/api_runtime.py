"""Runs a model behind a provider's API: batches within its limits, several at a time, tried again when it is busy.

A provider's module (`openai_api`, `cohere_api`, `voyage_api`) sends one batch and translates its client's errors; the
reply is checked here, for a server may leave out vectors, ignore the length it was asked for, or send other data.
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
from semsearch.embedding.embedder import NoVectorError, Vectors, unit_rows
from semsearch.embedding.model_info import ModelInfo
from semsearch.errors import ModelError
from semsearch.http_limits import TooLongError, TooSlowError, within
from semsearch.plurals import count_of
from semsearch.stopwatch import Stopwatch

_AT_ONCE = 4
_ATTEMPTS = 6
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 60.0
# Most bytes of an answer: four times what 128 vectors of 4,096 numbers take as text. All of it may take so long.
MOST_BYTES = 50_000_000
_ANSWER_SECONDS = 300.0
# The fewest bytes of a token on the average of a batch: a lower bound, so that no batch exceeds a limit in tokens.
_BYTES_A_TOKEN = 2
# Not words: an encoded picture, say.
_ENDLESS_WORD = re.compile(r"[!-~]{1000}")
_SHORTEST_NORM = 1e-6
_HINT = "nothing of that answer was kept; check the server and its model"
_KEYS = ("OPENAI_API_KEY", "JINA_API_KEY", "CO_API_KEY", "COHERE_API_KEY", "VOYAGE_API_KEY")


class BusyError(Exception):
    """The provider may answer later: too many requests, or a failure of its own. `after`: seconds it asks to wait."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


@dataclass(frozen=True)
class Provider:
    """How to reach a provider's model.

    `send(texts, query)` returns one vector for each text, as queries or as passages, and raises BusyError or
    ModelError. `texts`, `tokens`: most of them in one request.
    """

    name: str
    send: Callable[[Sequence[str], bool], Sequence[Sequence[float]]]
    texts: int
    tokens: int


class ApiEmbedder:
    """An Embedder over `provider`. `tokenizer` is another model's, and only estimates lengths.

    `info.dim` 0: vectors of any length are accepted.
    """

    def __init__(self, info: ModelInfo, tokenizer: SubwordTokenizer, provider: Provider) -> None:
        self.info = info
        self.tokenizer = tokenizer
        self._provider = provider
        # Called with the texts and vectors of each batch, also of those that end after another one failed.
        self.on_answer: Callable[[list[str], Vectors], None] | None = None

    def encode(self, texts: Sequence[str], done: Callable[[int], None] | None = None) -> Vectors:
        """(n, dim) float32 unit rows of passages. Raises `ModelError`."""
        parts = list(self._batches(texts))
        vectors: list[Vectors] = []
        failure: Exception | None = None
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            pending = [pool.submit(self._ask, part, False) for part in parts]
            for part, answer in zip(parts, pending, strict=True):
                try:
                    vectors.append(answer.result())
                except CancelledError:
                    continue
                except Exception as error:  # the other batches were paid for, and are kept
                    failure = failure or error
                    pool.shutdown(wait=False, cancel_futures=True)
                    continue
                if self.on_answer:
                    self.on_answer(part, vectors[-1])
                if done:
                    done(len(part))
        if failure is not None:
            raise failure
        return np.concatenate(vectors) if vectors else np.empty((0, self.info.dim), np.float32)

    def encode_query(self, text: str) -> Vectors:
        """(dim,) float32, unit length. Raises `ModelError`."""
        vector: Vectors = self._ask([text], True)[0]
        return vector

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """(n, dim) float32 unit rows of queries, in one request where they fit. Raises `ModelError`."""
        return np.concatenate([self._ask(part, True) for part in self._batches(texts)])

    def _batches(self, texts: Sequence[str]) -> Iterator[list[str]]:
        """`texts` in batches within the provider's limits."""
        batch: list[str] = []
        size = 0
        for text in texts:
            tokens = len(text.encode("utf-8", "replace")) // _BYTES_A_TOKEN + 1
            if batch and (len(batch) == self._provider.texts or size + tokens > self._provider.tokens):
                yield batch
                batch, size = [], 0
            batch.append(text)
            size += tokens
        if batch:
            yield batch

    def _sent(self, text: str) -> str:
        """`text` as it is sent: some providers refuse white space alone, and texts longer than the window."""
        if len(text) > self.info.window and _ENDLESS_WORD.search(text):
            # Another model's tokenizer may count such a word as one token.
            return text[: self.info.window]
        return text if text.strip() else "-"

    def _ask(self, texts: Sequence[str], query: bool) -> Vectors:
        """(n, dim) of one batch, tried up to six times, with waits that double. Raises `ModelError`."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._checked(self._answer([self._sent(text) for text in texts], query), texts)
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

    def _answer(self, texts: list[str], query: bool) -> Any:
        """What the provider sends. Raises `BusyError`, and `ModelError` for what cannot be an answer."""
        name, model = self._provider.name, self.info.name
        try:
            return within(Stopwatch(), _ANSWER_SECONDS, lambda: self._provider.send(texts, query))
        except TooLongError:
            what = f"{name} sent more than vectors of {model} take, or sent them compressed"
            raise ModelError(what, _HINT, code="provider_answer") from None
        except TooSlowError:
            what = f"{name} did not send the vectors of {model} in {_ANSWER_SECONDS:g} s"
            raise ModelError(what, _HINT, code="provider_answer") from None
        # The clients trip over answers of another form, each in its own way.
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise _unusable(f"{name} sent something else than vectors of {model} ({type(error).__name__})") from None

    def _checked(self, answer: Any, texts: Sequence[str]) -> Vectors:
        """`answer` as (n, dim) unit rows. Raises `ModelError` where it cannot be the vectors of `texts`."""
        name, model = self._provider.name, self.info.name
        if not isinstance(answer, list):
            raise _unusable(f"{name} sent something else than vectors of {model}")
        if len(answer) != len(texts):
            raise _unusable(
                f"{name} sent {count_of(len(answer), 'vector')} of {model} for {count_of(len(texts), 'text')}"
            )
        try:
            with np.errstate(over="ignore"):
                vectors = np.array(answer, np.float32)
        except (ValueError, TypeError, OverflowError):
            raise _unusable(f"{name} sent something else than vectors of {model}") from None
        if vectors.ndim != 2 or not vectors.shape[1]:
            raise _unusable(f"{name} sent vectors of {model} of different lengths")
        if self.info.dim and vectors.shape[1] != self.info.dim:
            raise _unusable(f"{name} sent vectors of {vectors.shape[1]} numbers for {model}, not {self.info.dim}")
        with np.errstate(over="ignore", invalid="ignore"):
            lengths = np.linalg.norm(vectors, axis=1)
        if not np.isfinite(lengths).all() or (lengths < _SHORTEST_NORM).any():
            raise _unusable(f"{name} sent vectors of {model} that are no directions (zero, not numbers, or too large)")
        return unit_rows(vectors)


def _unusable(what: str) -> NoVectorError:
    return NoVectorError(what, _HINT)


def refused(provider: str, variable: str, status: int | None, message: str) -> ModelError:
    """The error for a refusal that asking again does not change. `variable`: the environment variable of the key."""
    said = _without_keys(message)
    if status in (401, 403):
        return ModelError(f"{provider} refuses the key: {said}", f"set {variable} to a valid key", code="provider_key")
    if status == 402 or "quota" in said.lower() or "billing" in said.lower():
        hint = "what was encoded is kept; check your plan and billing, then run again to go on"
        return ModelError(f"{provider} gives no more: {said}", hint, code="provider_quota")
    return ModelError(f"{provider} refuses the request: {said}", "check the model's name", code="provider_refused")


def _without_keys(text: str) -> str:
    """`text`, a server's message, on one line of at most 300 characters, without the keys that some servers repeat."""
    for variable in _KEYS:
        if key := os.environ.get(variable, "").strip():
            text = text.replace(key, "...")
    return " ".join(text.split())[:300]


def retry_after(value: str | None) -> float | None:
    """The seconds in the value of a Retry-After header; None where it is no number."""
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
    """The error for a client library that is not installed; `extra`: the extra of semsearch that brings it."""
    return ModelError(
        f"the client of this model's provider is not installed ({package})",
        f"install it with: pip install 'semsearch[{extra}]'",
        code="provider_client",
    )
