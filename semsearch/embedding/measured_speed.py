"""How fast the packaged model is on this machine: what other models are compared with before they are here."""

import statistics
import time

from semsearch.callbacks import Announce
from semsearch.embedding.open import open_model
from semsearch.embedding.recommendation import Speed
from semsearch.embedding.resolve import resolve
from semsearch.settings import DEFAULT_MODEL

_QUERY = "how strong may the wind be to lift the rotor"
_PASSAGE = "The rotor of the turbine is not lifted while gusts exceed eleven metres a second at the harbour. " * 10
_ROUNDS = 5
_PASSAGES = 16


def measured_speed(announce: Announce) -> Speed:
    """Encodes a query and passages of some 200 tokens for a second or less. Raises `ModelError`."""
    embedder = open_model(resolve(DEFAULT_MODEL), announce)
    embedder.encode_query(_QUERY)
    queries, passages = [], []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        embedder.encode_query(_QUERY)
        queries.append(time.perf_counter() - began)
        began = time.perf_counter()
        embedder.encode([_PASSAGE] * _PASSAGES)
        passages.append(_PASSAGES / (time.perf_counter() - began))
    return Speed(statistics.median(queries), statistics.median(passages))
