"""Compares the vectors that a vector database holds for an index with those that its catalog says it has."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from semsearch.plurals import agreeing, count_of
from semsearch.store.engine_vectors import EngineVectors, Ids

_AT_ONCE = 4_096
# Vectors have length 1, which half precision changes by less than this; or 0, of a text without a word that its model
# knows.
_TOLERANCE = 0.01


def _none() -> Ids:
    return np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)  # arrays are not compared
class Differences:
    """The ids of chunks whose vectors are `missing`, `odd` (of another length than 1) or a `surplus` (of no chunk),
    each (n,) rising. `foreign`: how many rows there are that no index put there. `dim`, `other_dim`: how many
    numbers a vector is to have, and has; where they differ nothing else is known."""

    dim: int
    other_dim: int
    missing: Ids = field(default_factory=_none)
    odd: Ids = field(default_factory=_none)
    surplus: Ids = field(default_factory=_none)
    foreign: int = 0

    def problems(self, encode: str) -> Iterator[tuple[str, str]]:
        """(what is wrong, what a repair does; "": nothing); `encode`: how vectors are made again."""
        if self.other_dim != self.dim:
            yield (
                (
                    f"it holds vectors of {self.other_dim} numbers, not of {self.dim}, which another program put there:"
                    " keep these elsewhere (semsearch index --rebuild --vectors URL)"
                ),
                "",
            )
        for count, one, what, repair in (
            (len(self.missing), "passage", ("has no vector", "have no vectors"), encode),
            (
                len(self.odd),
                "passage",
                ("has a vector that is not of length 1", "have vectors that are not of length 1"),
                encode,
            ),
            (len(self.surplus) + self.foreign, "vector", ("is of no passage", "are of no passage"), "take them out"),
        ):
            if count:
                yield f"{count_of(count, one)} {agreeing(count, *what)}", repair


def compare(engine: EngineVectors, dim: int, wanted: Ids, known: Ids) -> Differences:
    """How the vectors of `engine`, of `dim` numbers, differ from those of the chunks `wanted` (n,), which must be
    there, and `known` (m,), which may be; both rising. Raises `VectorEngineError`."""
    held = engine.ids()
    other_dim = engine.engine.vectors(held[:1]).shape[1] if len(held) else dim
    if other_dim != dim:
        return Differences(dim, other_dim)
    foreign = engine.engine.foreign() if engine.engine.exists() else 0
    there = np.intersect1d(wanted, held, assume_unique=True)
    odd = np.concatenate([_none(), *_of_odd_length(engine, there)])
    missing = np.setdiff1d(wanted, held, assume_unique=True)
    surplus = np.setdiff1d(held, np.union1d(wanted, known), assume_unique=True)
    return Differences(dim, dim, missing, odd, surplus, foreign)


def _of_odd_length(engine: EngineVectors, ids: Ids) -> Iterator[Ids]:
    """Those of the chunks `ids` (n,) whose vectors are no directions, in batches."""
    for start in range(0, len(ids), _AT_ONCE):
        batch = ids[start : start + _AT_ONCE]
        lengths = np.linalg.norm(engine.engine.vectors(batch), axis=1)
        good = (np.abs(lengths - 1) < _TOLERANCE) | (lengths < _TOLERANCE)  # not true of nan
        yield batch[~good]
