"""What requests to every vector database have in common: how rows are cut, made fit to be stored, and how failures are
told."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from semsearch.errors import VectorEngineError
from semsearch.vector_engines.protocol import Payload

if TYPE_CHECKING:
    from semsearch.vector_engines.protocol import Cosines, Ids

# The field beside each vector that filters compare: the chunk's id, which is also the id of the row.
CHUNK_ID = "chunk_id"
# Seconds until a server that says nothing is given up: to be connected, and for one request.
CONNECT_SECONDS = 10
REQUEST_SECONDS = 60
_LONGEST_MESSAGE = 300  # characters of what a server says

# What JSON and the text columns of databases cannot hold: NUL, and the halves of surrogate pairs that stand in the
# names of files that are not UTF-8.
_UNFIT = dict.fromkeys([0, *range(0xD800, 0xE000)], "\N{REPLACEMENT CHARACTER}")


def slices(length: int, most: int) -> Iterator[slice]:
    """`length` rows cut into slices of at most `most`."""
    for begin in range(0, length, most):
        yield slice(begin, min(begin + most, length))


def storable(payload: Payload) -> dict[str, str | int | float | bool | list[str]]:
    """`payload` with nothing in its names and texts that cannot be stored. Numbers that no database holds are left out:
    nan, infinite ones, and whole ones of more than 64 bits."""
    fit: dict[str, str | int | float | bool | list[str]] = {}
    for given, value in payload.items():
        name = apart(given.translate(_UNFIT), fit)
        if isinstance(value, str):
            fit[name] = value.translate(_UNFIT)
        elif isinstance(value, list):
            fit[name] = [item.translate(_UNFIT) for item in value]
        elif math.isfinite(value) if isinstance(value, float) else is_int64(value):
            fit[name] = value
    return fit


def apart(name: str, taken: Collection[str]) -> str:
    """`name`, with a number after it where that is one of `taken`."""
    number, made = 1, name
    while made in taken:
        number += 1
        made = f"{name}_{number}"
    return made


def is_int64(number: int) -> bool:
    return -(2**63) <= number < 2**63


def chunk_named(name: str) -> int | None:
    """The chunk whose id is `name` in digits; None where that is the name of another program's row."""
    try:
        chunk = int(name)
        return chunk if str(chunk) == name and is_int64(chunk) else None
    except ValueError:
        return None


def best_chunks(ask: Callable[[int], Sequence[tuple[int | None, float]]], k: int, most: int) -> list[tuple[int, float]]:
    """(chunk, cosine) of the best `k` hits that are of chunks. `ask` finds as many hits as it is told, at most `most`,
    None in the place of a chunk for a row of another program: more are asked for where such rows take places."""
    asked = min(k, most)
    while True:
        hits = ask(asked)
        known = [(chunk, cosine) for chunk, cosine in hits if chunk is not None]
        if len(known) >= k or len(hits) < asked or asked == most:
            return known[:k]
        asked = min(2 * asked, most)


def as_arrays(hits: Sequence[tuple[int, float]]) -> "tuple[Ids, Cosines]":
    """(ids (n,), cosines (n,)) of `hits`."""
    import numpy as np

    return np.array([chunk for chunk, _ in hits], np.int64), np.array([cosine for _, cosine in hits], np.float32)


def known_ids(chunks: Iterable[int | None]) -> "Ids":
    """(n,) those of `chunks` that are not None."""
    import numpy as np

    return np.array([chunk for chunk in chunks if chunk is not None], np.int64)


def one_line(said: object, secrets: Iterable[str] = ()) -> str:
    """What a server or a client `said`, in one line that is not too long, without the `secrets`."""
    text = str(said)
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 3] + "..."


@contextmanager
def imports_of(engine: str, extra: str) -> Iterator[None]:
    """For the imports of an engine's client, which need not be installed."""
    try:
        yield
    except ImportError as error:
        raise VectorEngineError(
            f"the client for {engine} is not installed ({one_line(error)})", f"pip install 'semsearch[{extra}]'"
        ) from None
