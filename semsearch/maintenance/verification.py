"""`verify`: whether an index is what was written and fits together, and its repair from what is left of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch import settings
from semsearch.embedding.open import open_recorded
from semsearch.errors import IndexDamagedError, SemsearchError, for_shell
from semsearch.index_report import IndexReport
from semsearch.indexing.encode import encode_lost
from semsearch.indexing.options import Progress
from semsearch.maintenance.quantization import present_loss
from semsearch.store.local import repair as repairing
from semsearch.store.local import rows
from semsearch.store.local.examination import examine
from semsearch.store.local.problems import Examination, Problem
from semsearch.store.local.reader import OpenSnapshot, moved_on
from semsearch.store.local.transaction import LocalWriter
from semsearch.store.local.writer import IndexWriter
from semsearch.store.opening import open_store, require

_TRIES = 8
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
    require(open_store(path), "verify", "verify")
    findings = _examined(path)
    before: list[Problem] = []
    if repair and findings.problems:
        with IndexWriter(path, wait, trust=True) as writer:
            for notice in writer.notices:
                announce(notice)
            findings = examine(path, writer.catalog, writer.suspect)
            before = list(findings.problems)
            repairing.repair(writer, findings, lambda: _encoder(writer, announce), announce)
        findings = _examined(path)
    if not findings.problems:
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


def _examined(path: str) -> Examination:
    """What is found in one committed state."""
    for attempt in range(_TRIES):
        try:
            snapshot = OpenSnapshot(path)
        except IndexDamagedError as error:
            findings = Examination(broken=True)
            findings.add(error.message, "")
            return findings
        try:
            findings = examine(path, snapshot.catalog)
            if not findings.problems or attempt == _TRIES - 1 or not moved_on(snapshot):
                return findings
        finally:
            snapshot.close()
    raise AssertionError("unreachable")


def _encoder(writer: IndexWriter, announce: Announce) -> Callable[[NDArray[np.int64]], None]:
    """What encodes chunks again, its model open. Raises `SemsearchError` where that cannot be had."""
    model = rows.recorded_model(writer.catalog)
    if model is None:
        raise IndexDamagedError("nobody knows the model of its vectors")
    embedder = open_recorded(model, announce)

    def encode(ids: NDArray[np.int64]) -> None:
        report = IndexReport(writer.index)
        encode_lost(LocalWriter(writer), embedder, ids, report, Progress(announce=announce))

    return encode


def _drift(path: str, findings: Examination, announce: Announce) -> list[str]:
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
        findings.add(what, "", "vectors")
        return [f"make them anew with: semsearch quantize --index {for_shell(path)}"]
    return [f"vectors lose {now:.2%} of the ten nearest, {recorded:.2%} when they were quantized"]
