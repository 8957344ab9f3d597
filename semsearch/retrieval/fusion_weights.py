"""How much each part of a hybrid ranking counts: usually, or as `tune --fusion` learnt it for one index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from semsearch.errors import IndexDamagedError

_HINT = "remove it with: semsearch tune --drop"
# No weight is larger than so many times one part against the others.
_LARGEST = {"meaning": 10.0, "neighbours": 1.0, "letters": 1.0, "sparse": 2.0}


@dataclass(frozen=True)
class FusionWeights:
    """The weights of a hybrid ranking.

    `meaning`: what the weight of the dense leg (`fusion.language_alpha`, `nearness_factor`) is multiplied by;
    `neighbours`, in [0, 1]: how much of a score the passages decide that are alike (`smoothing`); `letters`, in [0, 1]:
    how much of the lexical leg of the best passages is how they are spelt (`gram_match`); `sparse`, in [0, 2]: what the
    share of learned sparse vectors in the lexical leg is multiplied by (`fusion.sparse_share`), where an index has
    them. The defaults of the others are the best on the mean of Cranfield, Medlars, CACM and seven collections in other
    languages.
    """

    meaning: float = 1.0
    neighbours: float = 0.4
    letters: float = 0.4
    sparse: float = 1.0

    def as_dict(self) -> dict[str, float]:
        """The weights by name; `sparse` where it is not the usual one, as most indexes have no such vectors."""
        return {name: value for name, value in asdict(self).items() if name != "sparse" or value != 1.0}

    @staticmethod
    def from_record(record: Mapping[str, Any] | None, location: str) -> FusionWeights:
        """The weights that the index at `location` records; None: the usual ones.

        Raises `IndexDamagedError` where one is missing, or no number from 0 on that can be.
        """
        if record is None:
            return FusionWeights()
        values = {}
        for name, most in _LARGEST.items():
            value = record.get(name, 1.0 if name == "sparse" else None)
            # A NaN is in no range.
            if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= most:
                raise IndexDamagedError(f"{location}: its weight of {name} is no number that it can be", _HINT)
            values[name] = float(value)
        return FusionWeights(**values)
