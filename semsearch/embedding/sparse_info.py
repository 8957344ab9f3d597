"""What is recorded about a prepared model of learned sparse vectors: its identity, its shape, and what was measured.

Imports the standard library only, so that reading an index's record of its model costs nothing.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from semsearch.embedding.model_info import Calibration

_LARGEST_VOCABULARY = 1 << 21
# A step beyond these makes scores that no float32 holds; those of models are about 0.01.
_LEAST_STEP, _LARGEST_STEP = 1e-12, 1e12


@dataclass(frozen=True)
class SparseInfo:
    """Identity and shape of a prepared sparse model; postings of two models may stand in one index when
    `same_vectors`.

    `fingerprint`: 64 hex digits over weights, configuration and tokenizer; `runtime`: `onnx-int8` or `onnx-fp32`;
    `vocabulary`: how many tokens there are weights of; `window`: most tokens of a text. `output`: what the model gives
    of a text: `vocabulary`, a weight of each token there is, or `tokens`, a weight of each token of the text, of which
    the largest of each token counts and those of `dropped` do not. `queries`: what makes the vector of a query: `same`,
    the model of the passages, `other`, one of its own, or `weights`, a weight that each token has always. The
    prefixes are put before each query and each passage. `step`: the weight that is kept as 1 in an index.
    """

    name: str
    fingerprint: str
    runtime: str
    vocabulary: int
    window: int
    output: str
    queries: str
    query_prefix: str
    passage_prefix: str
    dropped: tuple[int, ...]
    step: float
    calibration: Calibration

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(record: Mapping[str, Any]) -> "SparseInfo":
        """The inverse of `as_dict`. Raises ValueError, KeyError or TypeError for a record that is damaged."""
        calibration = Calibration(**record["calibration"])
        info = SparseInfo(**{**record, "calibration": calibration, "dropped": tuple(record["dropped"])})
        texts = (info.name, info.fingerprint, info.runtime, info.output, info.queries, info.query_prefix)
        if not all(type(text) is str for text in (*texts, info.passage_prefix)):
            raise TypeError("a text is none")
        numbers = (info.vocabulary, info.window, *info.dropped)
        if not all(type(number) is int and number >= 0 for number in numbers):
            raise TypeError("a number is none")
        if not 0 < info.vocabulary <= _LARGEST_VOCABULARY:
            raise ValueError(f"a vocabulary of {info.vocabulary} tokens")
        measured = (info.step, calibration.background, calibration.related, calibration.separation)
        if not all(type(value) in (int, float) and math.isfinite(value) for value in measured):
            raise ValueError("a measured number is none")
        if not _LEAST_STEP <= info.step <= _LARGEST_STEP:
            raise ValueError(f"a step of {info.step}")
        if not all(type(value) in (int, float) and value >= 0 for value in calibration.fertility.values()):
            raise ValueError("a fertility is none")
        return info

    def same_vectors(self, other: "SparseInfo") -> bool:
        """Whether vectors of both may stand in one index: everything but the name and what was measured is equal."""
        ignored = {"name", "calibration", "step"}
        ours, theirs = self.as_dict(), other.as_dict()
        return all(ours[key] == theirs[key] for key in ours if key not in ignored)
