"""An Embedder that computes only the vectors a cache on disk lacks, and opens its model only then."""

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Protocol

import numpy as np

from semsearch.chunking.tokenizers import SubwordTokenizer
from semsearch.embedding.api_runtime import ApiEmbedder
from semsearch.embedding.cache import FORMAT
from semsearch.embedding.calibration import fertility
from semsearch.embedding.embedder import Embedder, Vectors
from semsearch.embedding.model_info import ModelInfo


class Cache(Protocol):
    """Vectors by key (`store.vector_cache.VectorCache`)."""

    def find(self, keys: Sequence[bytes], numbers: int) -> dict[bytes, Vectors]:
        """Those of `keys` that are kept with a vector of so many `numbers`."""
        ...

    def keep(self, vectors: Mapping[bytes, Vectors]) -> None: ...

    def close(self) -> None: ...


class CachedEmbedder:
    """The Embedder that `open_model` opens, with `cache` in front; `info` is what it is known to be without opening.

    `computed`: how many passages the model itself has encoded.
    """

    def __init__(self, info: ModelInfo, open_model: Callable[[], Embedder], cache: Cache) -> None:
        self.info = info
        self._open_model = open_model
        self._opened: Embedder | None = None
        self.computed = 0
        self._last: tuple[bytes, Vectors] = (b"", np.empty(0, np.float32))
        self._cache = cache
        identity = {key: value for key, value in info.as_dict().items() if key not in ("name", "calibration")}
        # A model that is prepared in another way makes other vectors, by a little; a provider prepares nothing here.
        prepared = {} if info.is_api else {"format": FORMAT}
        self._identity = json.dumps({**identity, **prepared}, sort_keys=True).encode()

    @property
    def tokenizer(self) -> SubwordTokenizer:
        return self.open().tokenizer

    def open(self) -> Embedder:
        """The model itself, opened for the first call. Raises `ModelError`."""
        if self._opened is None:
            self._opened = self._open_model()
            if isinstance(self._opened, ApiEmbedder):
                self._opened.on_answer = self._keep
        return self._opened

    def _keep(self, texts: Sequence[str], vectors: Vectors) -> None:
        # Not what is none: a model that was mended makes it then.
        made = [(text, vector) for text, vector in zip(texts, vectors, strict=True) if _is_one(vector)]
        self._cache.keep({self._key("passage", text): vector for text, vector in made})

    def close(self) -> None:
        """Closes the cache; the model needs no closing."""
        self._cache.close()

    def has_query(self, text: str) -> bool:
        """Whether `encode_query` and `fertility` of the query `text` need no model."""
        return bool(self._cache.find([self._key("query", text)], self.info.dim + 1))

    def encode(self, texts: Sequence[str], done: Callable[[int], None] | None = None) -> Vectors:
        """(n, dim) float32 unit rows of passages."""
        keys = [self._key("passage", text) for text in texts]
        known = {key: vector for key, vector in self._cache.find(keys, self.info.dim).items() if _is_one(vector)}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if done and len(texts) > len(missing):
            done(len(texts) - len(missing))
        if missing:
            texts = list(missing.values())
            vectors = self.open().encode(texts, done)
            self.computed += len(texts)
            self._keep(texts, vectors)
            known.update(zip(missing, vectors, strict=True))
        return np.stack([known[key] for key in keys]) if keys else np.empty((0, self.info.dim), np.float32)

    def encode_query(self, text: str) -> Vectors:
        """(dim,) float32, unit length."""
        return self._query(text)[:-1]

    def fertility(self, text: str) -> float:
        """Subword tokens per word of a query (`calibration.fertility`)."""
        return float(self._query(text)[-1])

    def passage_fertility(self, texts: Sequence[str]) -> float:
        """Subword tokens per word of passages, the mean over `texts`, of which there is one at least."""
        return float(np.mean(self.fertilities(texts), dtype=np.float64))

    def fertilities(self, texts: Sequence[str]) -> list[float]:
        """Subword tokens per word of each of `texts`, passages or words."""
        keys = [self._key("fertility", text) for text in texts]
        known = self._cache.find(keys, 1)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if missing:
            tokenizer = self._tokenizer_alone()
            for key, text in missing.items():
                # As precise as it is kept: a repeated search shows the same.
                known[key] = np.array([fertility(text, tokenizer.tokens(text))], np.float32)
            self._cache.keep({key: known[key] for key in missing})
        return [float(known[key][0]) for key in keys]

    def _tokenizer_alone(self) -> SubwordTokenizer:
        """The model's tokenizer; a prepared model that is not open need not be opened for it."""
        if self._opened is None:
            from semsearch.embedding.open import prepared_tokenizer  # which a query that is known has no use for

            if tokenizer := prepared_tokenizer(self.info):
                return tokenizer
        return self.tokenizer

    def _query(self, text: str) -> Vectors:
        """(dim + 1,) float32: the vector of a query, then its fertility."""
        key = self._key("query", text)
        # A search asks for the fertility and for the vector, and there may be no cache.
        known = {key: self._last[1]} if self._last[0] == key else self._cache.find([key], self.info.dim + 1)
        if key not in known:
            model = self.open()
            fertile = fertility(text, model.tokenizer.tokens(text))
            known[key] = np.append(model.encode_query(text), np.float32(fertile))
            self._cache.keep(known)
        self._last = (key, known[key])
        return known[key]

    def _key(self, role: str, text: str) -> bytes:
        """16 bytes that stand for `text`, as a `query` or `passage`, and this model."""
        content = b"\0".join((self._identity, role.encode(), text.encode("utf-8", "surrogatepass")))
        return blake2b(content, digest_size=16).digest()


def _is_one(vector: Vectors) -> bool:
    """Whether `vector` (d,) has a direction: caches of earlier versions may hold what has none."""
    return bool(np.isfinite(vector).all() and vector.any())
