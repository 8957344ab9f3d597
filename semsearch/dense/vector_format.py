"""In which form an index keeps its vectors: what is stored, what is scanned first, how long they are, what was learnt.

One form holds for all segments; it is a setting of the catalog (`vectors`) and changes by `quantize` alone.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from semsearch.dense import cells
from semsearch.dense.codec import FINE, KINDS, Codec, Trained
from semsearch.dense.projection import Projection
from semsearch.embedding.embedder import Vectors
from semsearch.errors import IndexDamagedError

ANNS = ("auto", "exact", "ivf")
# Rows of a segment from which `auto` scans codes of one bit first and compares the best by their vectors. At 131,072 x
# 384 that takes 1.1 ms for 3.2 ms, at 0.999 of the ten nearest (`benchmarks/vector_forms.py`).
CROSSOVER = 131_072


@dataclass(frozen=True)
class VectorFormat:
    """`full_dim`: numbers of the model's vectors. `store`: the kind kept in `index.faiss`, of `store_dim` numbers.
    `codes`: the kind scanned first, None: what `ann` says; of `codes_dim` numbers, found by `projection`.
    `trained`: what was learnt for the `store` and for the `codes`, of `learnt_from` vectors. `loss`: of the ten
    nearest, as measured when the form was chosen.
    """

    full_dim: int
    store: str = "float16"
    codes: str | None = None
    ann: str = "auto"
    projection: Projection | None = None
    trained: Mapping[str, Trained] = field(default_factory=dict)
    loss: float = 0.0
    learnt_from: int = 0

    @property
    def shortened(self) -> bool:
        """Whether the stored vectors are shorter than the model's, so that those cannot be had back."""
        return self.projection is not None and self.codes is None

    @property
    def store_dim(self) -> int:
        return self.projection.dim if self.projection is not None and self.codes is None else self.full_dim

    @property
    def codes_dim(self) -> int:
        return self.projection.dim if self.projection is not None else self.full_dim

    @property
    def reversible(self) -> bool:
        """Whether the model's own vectors are kept."""
        return self.store in FINE and not self.shortened

    @property
    def kind(self) -> str:
        """What the user asked for."""
        return self.codes or self.store

    def store_codec(self) -> Codec:
        return Codec(self.store, self.store_dim, dict(self.trained.get("store", {})))

    def first_stage(self, rows: int) -> Codec | None:
        """The codes that a segment of `rows` has beside its stored vectors; None: those are scanned."""
        kind = self.codes
        if kind is None and self.reversible:
            if self.ann == "auto" and rows >= CROSSOVER:
                kind = "binary"
            elif self.ann == "ivf" and rows >= cells.FEWEST_ROWS:
                kind = "int8"
        return None if kind is None else Codec(kind, self.codes_dim, dict(self.trained.get("codes", {})))

    def has_cells(self, rows: int) -> bool:
        return self.ann == "ivf" and rows >= cells.FEWEST_ROWS and self.first_stage(rows) is not None

    def stored(self, vectors: Vectors) -> Vectors:
        """(n, store_dim): the model's `vectors` (n, full_dim) as they are kept and compared."""
        return self.projection(vectors) if self.projection is not None and self.shortened else vectors

    def coded(self, vectors: Vectors) -> Vectors:
        """(n, codes_dim): stored `vectors` (n, store_dim) as the codes are made of them."""
        if self.projection is None or self.shortened:
            return vectors
        return self.projection(vectors)

    def with_trained(self, role: str, codec: Codec, learnt_from: int) -> "VectorFormat":
        """With what `codec` learnt for the `store` or the `codes`."""
        return replace(self, trained={**self.trained, role: codec.trained}, learnt_from=learnt_from)

    def same_store(self, other: "VectorFormat") -> bool:
        """Whether stored vectors of one form are those of the other."""
        return (self.store, self.store_dim) == (other.store, other.store_dim)

    def check(self) -> None:
        """Raises `IndexDamagedError` when what was learnt does not fit the form."""
        self.store_codec().check()
        rows = max(CROSSOVER, cells.FEWEST_ROWS)
        if "codes" in self.trained and (codec := self.first_stage(rows)) is not None:
            codec.check()

    def as_record(self) -> dict[str, Any]:
        projection = self.projection
        return {
            "full_dim": self.full_dim,
            "store": self.store,
            "codes": self.codes,
            "ann": self.ann,
            "loss": self.loss,
            "learnt_from": self.learnt_from,
            "projection": projection
            and {
                "dim": projection.dim,
                "directions": None if projection.directions is None else _packed(projection.directions),
            },
            "trained": {
                role: {name: _packed(array) for name, array in learnt.items()} for role, learnt in self.trained.items()
            },
        }

    @staticmethod
    def from_record(record: Mapping[str, Any] | None, dim: int) -> "VectorFormat":
        """The form of an index whose model has vectors of `dim` numbers. Raises `IndexDamagedError`."""
        if record is None:
            return VectorFormat(dim)
        try:
            stated = record["projection"]
            directions = None
            if stated and stated["directions"] is not None:
                directions = _unpacked(stated["directions"]).reshape(int(stated["dim"]), dim)
            form = VectorFormat(
                int(record["full_dim"]),
                record["store"],
                record["codes"],
                record["ann"],
                Projection(int(stated["dim"]), directions) if stated else None,
                {
                    role: {name: _unpacked(text) for name, text in learnt.items()}
                    for role, learnt in record["trained"].items()
                },
                float(record["loss"]),
                int(record["learnt_from"]),
            )
            fits = (
                form.full_dim == dim
                and form.store in KINDS
                and form.codes in (None, *KINDS)
                and form.ann in ANNS
                and (form.projection is None or 0 < form.projection.dim <= dim)
            )
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise IndexDamagedError(f"the catalog's record of the vectors is damaged: {error}") from None
        if not fits:
            raise IndexDamagedError("the catalog's record of the vectors does not fit its model")
        return form


def _packed(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode()


def _unpacked(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text, validate=True), "<f4").astype(np.float32)
