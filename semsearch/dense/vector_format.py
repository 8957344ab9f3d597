"""How an index stores its vectors: the kind that is kept, the kind that is scanned first, their dimensions.

One format holds for all segments of an index. It is the setting `vectors` of the catalog, and only `semsearch quantize`
changes it.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from semsearch.dense import cells
from semsearch.dense.codec import FLOAT_KINDS, KINDS, Codec, Trained
from semsearch.dense.projection import Projection
from semsearch.embedding.embedder import Vectors
from semsearch.errors import IndexDamagedError

ANNS = ("auto", "exact", "ivf")
# From so many rows in a segment on, `auto` scans codes of one bit a dimension first and compares the best rows by their
# vectors: at 131,072 x 384 that takes 1.1 ms instead of 3.2 ms and finds 0.999 of the ten nearest
# (`benchmarks/vector_formats.py`).
CROSSOVER = 131_072


@dataclass(frozen=True)
class VectorFormat:
    """The vector format of an index.

    `full_dim`: dimensions of the model's vectors.
    `store`: the kind (`codec.KINDS`) of the stored vectors, in the file `index.faiss`.
    `codes`: the kind of the codes that are scanned first; None: `ann` decides whether a segment has codes.
    `ann`: `auto`, `exact` (no codes) or `ivf` (codes in cells).
    `projection`: makes the vectors shorter, the codes' where `codes` is given, else the stored ones.
    `trained`: the trained parameters of the codecs, under `store` and `codes`.
    `loss`: the share of the ten nearest that was lost when the format was chosen, 0 to 1.
    `learnt_from`: how many vectors the codecs were trained on.
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
    def truncated(self) -> bool:
        """Whether the stored vectors have fewer dimensions than the model's, which cannot be restored from them."""
        return self.projection is not None and self.codes is None

    @property
    def store_dim(self) -> int:
        """Dimensions of the stored vectors."""
        return self.projection.dim if self.projection is not None and self.codes is None else self.full_dim

    @property
    def codes_dim(self) -> int:
        """Dimensions of the vectors that the codes are made of."""
        return self.projection.dim if self.projection is not None else self.full_dim

    @property
    def reversible(self) -> bool:
        """Whether the model's own vectors are stored, so that every other format can be made from them."""
        return self.store in FLOAT_KINDS and not self.truncated

    @property
    def kind(self) -> str:
        """The kind that the user asked for: that of the codes, else that of the stored vectors."""
        return self.codes or self.store

    def store_codec(self) -> Codec:
        """The codec of the stored vectors."""
        return Codec(self.store, self.store_dim, dict(self.trained.get("store", {})))

    def first_stage(self, rows: int) -> Codec | None:
        """The codec of the codes in a segment of `rows` vectors; None: it has none, the stored vectors are scanned."""
        kind = self.codes
        if kind is None and self.reversible:
            if self.ann == "auto" and rows >= CROSSOVER:
                kind = "binary"
            elif self.ann == "ivf" and rows >= cells.FEWEST_ROWS:
                kind = "int8"
        return None if kind is None else Codec(kind, self.codes_dim, dict(self.trained.get("codes", {})))

    def has_cells(self, rows: int) -> bool:
        """Whether the codes of a segment of `rows` vectors are grouped in cells."""
        return self.ann == "ivf" and rows >= cells.FEWEST_ROWS and self.first_stage(rows) is not None

    def stored(self, vectors: Vectors) -> Vectors:
        """(n, store_dim) float32: the model's `vectors` (n, full_dim), projected if the stored vectors are."""
        return self.projection(vectors) if self.projection is not None and self.truncated else vectors

    def coded(self, vectors: Vectors) -> Vectors:
        """(n, codes_dim) float32: stored `vectors` (n, store_dim), projected if the codes are."""
        if self.projection is None or self.truncated:
            return vectors
        return self.projection(vectors)

    def with_trained(self, role: str, codec: Codec, learnt_from: int) -> "VectorFormat":
        """This format with the trained parameters of `codec`, trained on `learnt_from` vectors.

        `role`: `store` or `codes`.
        """
        return replace(self, trained={**self.trained, role: codec.trained}, learnt_from=learnt_from)

    def same_store(self, other: "VectorFormat") -> bool:
        """Whether both formats store the same vectors, so that `index.faiss` need not be written again."""
        return (self.store, self.store_dim) == (other.store, other.store_dim)

    def check(self) -> None:
        """Raises `IndexDamagedError` when the trained parameters do not fit the format."""
        self.store_codec().check()
        rows = max(CROSSOVER, cells.FEWEST_ROWS)
        if "codes" in self.trained and (codec := self.first_stage(rows)) is not None:
            codec.check()

    def as_record(self) -> dict[str, Any]:
        """The JSON record of the catalog; arrays are base64 of little-endian float32."""
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
                "directions": None if projection.directions is None else _encoded(projection.directions),
            },
            "trained": {
                role: {name: _encoded(array) for name, array in arrays.items()} for role, arrays in self.trained.items()
            },
        }

    @staticmethod
    def from_record(record: Mapping[str, Any] | None, dim: int) -> "VectorFormat":
        """The format that `as_record` wrote, of an index whose model has vectors of `dim` dimensions.

        None: the default format. Raises `IndexDamagedError` when the record is malformed or does not fit the model.
        """
        if record is None:
            return VectorFormat(dim)
        try:
            projection = record["projection"]
            directions = None
            if projection and projection["directions"] is not None:
                directions = _decoded(projection["directions"]).reshape(int(projection["dim"]), dim)
            vector_format = VectorFormat(
                int(record["full_dim"]),
                record["store"],
                record["codes"],
                record["ann"],
                Projection(int(projection["dim"]), directions) if projection else None,
                {
                    role: {name: _decoded(text) for name, text in arrays.items()}
                    for role, arrays in record["trained"].items()
                },
                float(record["loss"]),
                int(record["learnt_from"]),
            )
            fits = (
                vector_format.full_dim == dim
                and vector_format.store in KINDS
                and vector_format.codes in (None, *KINDS)
                and vector_format.ann in ANNS
                and (vector_format.projection is None or 0 < vector_format.projection.dim <= dim)
            )
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise IndexDamagedError(f"the catalog's record of the vectors is damaged: {error}") from None
        if not fits:
            raise IndexDamagedError("the catalog's record of the vectors does not fit its model")
        return vector_format


def _encoded(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode()


def _decoded(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text, validate=True), "<f4").astype(np.float32)
