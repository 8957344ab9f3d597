"""What `quantize` is asked, what it measures, and what it reports."""

from dataclasses import dataclass
from typing import Any

from semsearch.dense.vector_format import VectorFormat


@dataclass(frozen=True)
class QuantizeOptions:
    """How vectors are to be kept.

    `kind` None: the smallest that loses no more than `max_loss`, a share of the ten nearest (None: 1 % where no kind is
    named or the finer vectors are dropped, else no limit). `dim` None: as it is. `ann`: `auto`, `exact` or `ivf`; None:
    as it is.
    """

    kind: str | None = None
    dim: int | None = None
    max_loss: float | None = None
    ann: str | None = None
    keep_original: bool = True
    dry_run: bool = False
    queries: int = 200
    wait: bool = False


@dataclass(frozen=True)
class MeasuredFormat:
    """One way to keep the vectors, measured on this index.

    `searched`: bytes that a query goes through; `disk`: bytes of all vectors; `recall`: share of the ten nearest that
    it finds, where any passage as near as the tenth counts; `top1`: share of queries whose nearest it agrees on;
    `seconds`: median of a query.
    """

    format: VectorFormat
    searched: int
    disk: int
    recall: float
    top1: float
    seconds: float

    @property
    def loss(self) -> float:
        return 1 - self.recall

    def as_dict(self) -> dict[str, Any]:
        chosen = self.format
        return {
            "kind": chosen.kind,
            "dim": chosen.codes_dim,
            "ann": chosen.ann,
            "original": chosen.store if chosen.codes else None,
            "searched_bytes": self.searched,
            "disk_bytes": self.disk,
            "recall_at_10": round(self.recall, 4),
            "top1_agreement": round(self.top1, 4),
            "loss": round(self.loss, 4),
            "query_ms": round(self.seconds * 1000, 3),
        }


@dataclass(frozen=True)
class QuantizeReport:
    """`after` None: nothing was chosen; `changed`: whether the index is another now. `table`: all that was measured."""

    index: str
    queries: int
    vectors: int
    before: MeasuredFormat
    table: tuple[MeasuredFormat, ...]
    after: MeasuredFormat | None
    max_loss: float | None
    changed: bool
    passed: bool
    notices: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "schema": "semsearch.quantize/1",
            "index": self.index,
            "vectors": self.vectors,
            "queries": self.queries,
            "max_loss": self.max_loss,
            "passed": self.passed,
            "changed": self.changed,
            "before": self.before.as_dict(),
            "after": self.after and self.after.as_dict(),
            "table": [row.as_dict() for row in self.table],
            "notices": list(self.notices),
        }
