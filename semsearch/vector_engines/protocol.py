"""What every vector database offers to an index: vectors by chunk id, with what other programs want to know of them.

Arrays: ids are int64, vectors and cosines float32; `n` chunks, `d` numbers a vector. Vectors have unit length and are
compared by cosine.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ids = NDArray[np.int64]
    Vectors = NDArray[np.float32]
    Cosines = NDArray[np.float32]

# What is told of a chunk beside its vector: text, numbers, lists of text.
Payload = Mapping[str, str | int | float | bool | list[str]]
# (first chunk id, past-last id), rising and apart from one another.
Ranges = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Capabilities:
    """What an engine can do and takes.

    `exact`: `nearest` compares with every vector; `float16`: it keeps half precision. `max_batch`: most rows of one
    `upsert`, `delete` or `vectors`; `max_k`: most results of one `nearest`; `max_ranges`: most ranges that a filter may
    have.
    """

    exact: bool
    float16: bool
    max_batch: int
    max_k: int
    max_ranges: int


class VectorEngine(Protocol):
    """One collection of a vector database.

    What a call that returned has changed is seen by every later call, of this client and of others. Calls may take
    more rows than `capabilities.max_batch`: an engine cuts them. Each raises `VectorEngineError` with the name of the
    engine, what happened and what to do next, and never a key or a password.
    """

    @property
    def location(self) -> str:
        """Its URL without key or password."""
        ...

    @property
    def place(self) -> tuple[str, ...]:
        """What tells the collection from all others: server and names, however the URL is spelled."""
        ...

    @property
    def capabilities(self) -> Capabilities: ...

    def ensure(self, dim: int) -> None:
        """Makes the collection, for vectors of `dim` numbers and cosines, where there is none; with the indexes that
        filters need. Raises `VectorEngineError` for one of another dimension or metric."""
        ...

    def exists(self) -> bool:
        """Whether there is such a collection."""
        ...

    def upsert(self, ids: "Ids", vectors: "Vectors", payloads: Sequence[Payload]) -> None:
        """Adds the `vectors` (n, d) of the chunks `ids` (n,), with one payload each, in place of what there was."""
        ...

    def delete(self, ids: "Ids") -> None:
        """Takes out the chunks `ids` (n,); those that are not there are passed over."""
        ...

    def nearest(self, vector: "Vectors", k: int, ranges: Ranges | None) -> "tuple[Ids, Cosines]":
        """(ids (m,), cosines (m,)), m <= `k`, of the chunks nearest to `vector` (d,), best first; only those inside of
        `ranges`, which restrict the search itself and not its result; None: all."""
        ...

    def vectors(self, ids: "Ids") -> "Vectors":
        """(n, d) the vectors of the chunks `ids` (n,), in that order, at the precision that the engine keeps; a row of
        nan where there is none."""
        ...

    def count(self) -> int:
        """How many chunks there are."""
        ...

    def ids(self) -> "Iterator[Ids]":
        """The ids of all chunks, in batches, in any order, each once."""
        ...

    def maintain(self) -> None:
        """Builds what makes searches fast, where the database does not by itself; after a run that changed much."""
        ...

    def drop(self) -> None:
        """Removes the collection; nothing where there is none."""
        ...

    def close(self) -> None: ...
