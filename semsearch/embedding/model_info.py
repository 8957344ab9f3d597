"""What is recorded about a prepared model: its identity, its shape, and what it was measured to know.

Imports the standard library only, so that reading an index's record of its model costs nothing.
"""

from dataclasses import asdict, dataclass
from typing import Any

_LONGEST_VECTOR = 65_536


@dataclass(frozen=True)
class Calibration:
    """What a model was measured to know, on the same small texts in eight languages (`embedding.calibration`).

    `background`: mean cosine of a question and the answers to other questions, `related`: of a question and its own
    answer, both in the language the model separates best. `fertility`: script -> the most subword tokens per word of a
    language in that script in which the model tells right answers from wrong ones; scripts without one are missing.
    `separation`: how far apart both cosines are, in standard deviations of the first.
    """

    background: float
    fertility: dict[str, float]
    related: float = 1.0
    separation: float = 5.8


@dataclass(frozen=True)
class ModelInfo:
    """Identity and shape of a prepared model. Vectors of two models may stand in one index when `same_vectors`.

    `fingerprint`: 64 hex digits over weights, configuration, tokenizer and prefixes; for a provider's model, whose
    weights nobody sees, over its name and server. `runtime`: `onnx-int8`, `onnx-fp32`, `torch-fp32`, `static`, or
    `api-` and the provider. `dim`: numbers of a vector; `window`: most tokens of a text, special tokens included;
    `pooling`: `mean`, `cls` or `other`; the prefixes are put before each query and each passage.
    """

    name: str
    fingerprint: str
    runtime: str
    dim: int
    window: int
    pooling: str
    query_prefix: str
    passage_prefix: str
    calibration: Calibration

    @property
    def is_api(self) -> bool:
        """Whether a provider runs the model."""
        return self.runtime.startswith("api-")

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(record: dict[str, Any]) -> "ModelInfo":
        """The inverse of `as_dict`. Raises ValueError, KeyError or TypeError for a record that is damaged."""
        info = ModelInfo(**{**record, "calibration": Calibration(**record["calibration"])})
        if not (type(info.dim) is int and 0 < info.dim <= _LONGEST_VECTOR):
            raise ValueError(f"vectors of {info.dim} numbers")
        return info

    def same_vectors(self, other: "ModelInfo") -> bool:
        """Whether vectors of both models may stand in one index: everything but name and calibration is equal."""
        ignored = {"name", "calibration"}
        ours, theirs = self.as_dict(), other.as_dict()
        return all(ours[key] == theirs[key] for key in ours if key not in ignored)
