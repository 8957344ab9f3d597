"""`verify`: whether an index is what was written and fits together, and its repair from what is left of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch import settings
from semsearch.embedding.model_info import ModelInfo
from semsearch.embedding.open import open_recorded
from semsearch.errors import SemsearchError, for_shell
from semsearch.index_report import IndexReport
from semsearch.indexing.encode import encode_lost
from semsearch.indexing.options import Progress
from semsearch.maintenance.quantization import present_loss
from semsearch.store.opening import open_verifiable, require
from semsearch.store.problems import Findings, Problem
from semsearch.store.protocol import Writer

# The loss of quantized vectors is named when it has grown by this much, of the ten nearest.
_DRIFT = 0.02

Announce = Callable[[str], None]


@dataclass(frozen=True)
class VerifyReport:
    """`problems` are there now, `repaired` were there before `--repair`."""

    index: str
    files: int
    chunks: int
    segments: int
    problems: tuple[Problem, ...]
    repaired: tuple[Problem, ...]
    notices: tuple[str, ...]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        return {
            "schema": "semsearch.verify/1",
            "index": self.index,
            "good": not self.problems,
            "files": self.files,
            "chunks": self.chunks,
            "segments": self.segments,
            "problems": [problem.as_dict() for problem in self.problems],
            "repaired": [problem.as_dict() for problem in self.repaired],
            "notices": list(self.notices),
            "seconds": round(self.seconds, 3),
        }


def verify(index: str | None, repair: bool, wait: bool, announce: Announce) -> VerifyReport:
    """Reads all of the index and, with `repair`, mends it. Raises `SemsearchError` where it cannot be looked at."""
    clock = time.perf_counter()
    path = settings.index_for_reading(index)
    store = open_verifiable(path)
    try:
        findings = store.examine()
        before: list[Problem] = []
        if repair and findings.problems:
            require(store, "repair", "verify --repair")
            before = list(store.repair(wait, partial(_encoder, path, announce), announce).problems)
            findings = store.examine()
    finally:
        store.close()
    if not findings.problems and "quantize" in store.capabilities:
        findings.notices += _drift(path, findings, announce)
    left = {(problem.part, problem.what) for problem in findings.problems}
    return VerifyReport(
        path,
        findings.files,
        findings.chunks,
        findings.segments,
        tuple(findings.problems),
        tuple(problem for problem in before if (problem.part, problem.what) not in left),
        tuple(findings.notices),
        time.perf_counter() - clock,
    )


def _encoder(path: str, announce: Announce, writer: Writer, model: ModelInfo) -> Callable[[NDArray[np.int64]], None]:
    """What encodes chunks of the index at `path` again, its model open. Raises `SemsearchError` where that cannot be
    had."""
    embedder = open_recorded(model, announce)

    def encode(ids: NDArray[np.int64]) -> None:
        encode_lost(writer, embedder, ids, IndexReport(path), Progress(announce=announce))

    return encode


def _drift(path: str, findings: Findings, announce: Announce) -> list[str]:
    """Measures whether quantized vectors lose more by now than when they were chosen."""
    try:
        measured = present_loss(path, announce)
    except SemsearchError as error:
        return [f"the loss of the vectors was not measured: {error.message}"]
    if measured is None:
        return []
    recorded, now = measured
    if now > recorded + _DRIFT:
        what = f"{now:.2%} of the ten nearest are lost by now, {recorded:.2%} when the vectors were quantized"
        findings.problems.append(Problem("vectors", what, ""))
        return [f"make them anew with: semsearch quantize --index {for_shell(path)}"]
    return [f"vectors lose {now:.2%} of the ten nearest, {recorded:.2%} when they were quantized"]
