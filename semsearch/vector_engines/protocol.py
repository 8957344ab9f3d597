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
    """What an engine takes. `max_k`: most results of one `nearest`; `max_ranges`: most ranges of its filter."""

    max_k: int
    max_ranges: int


class VectorEngine(Protocol):
    """One collection of a vector database.

    What a call that returned has changed is seen by every later call, of this client and of others. Calls may take
    any number of rows: an engine cuts them into requests. Rows of other programs, whose ids are none of chunks, are
    passed over by all but `count`, `foreign` and `drop`. Each raises `VectorEngineError` with the name of the
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
        """How many rows there are, those of other programs included."""
        ...

    def ids(self) -> "Iterator[Ids]":
        """The ids of all chunks, in batches, in any order, each once."""
        ...

    def foreign(self, take_out: bool = False) -> int:
        """How many rows have ids that are none of chunks, as other programs put them there; `take_out`: they are taken
        out."""
        ...

    def maintain(self) -> None:
        """Builds what makes searches fast, where the database does not by itself; after a run that changed much."""
        ...

    def drop(self) -> None:
        """Removes the collection; nothing where there is none."""
        ...

    def close(self) -> None: ...
