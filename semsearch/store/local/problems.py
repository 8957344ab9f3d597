"""What an examination of an index folder finds."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from semsearch import settings
from semsearch.store.local.rows import Segment
from semsearch.store.problems import Findings, Problem

SHOWN = 5


@dataclass
class Examination(Findings):
    """What there is in an index folder, and what of it is not as it should be.

    `broken`: SQLite itself finds the catalog damaged. `suspect`: the catalog is not what was written, and nobody knows
    where. `damaged`: ids of segments that are to go, `damaged_sparse`: names of those of sparse vectors, and
    `sparse_lost_from` the first chunk that lost its own otherwise; `recodable`: those of `damaged` whose stored vectors
    are good, so that only their codes are made anew. `missing`: kind -> chunk ids (n,) no segment has; `extra`: kind ->
    chunk ids (n,) that are deleted and that a segment has. `foreign`: how many rows a vector database has that no index
    put there. `unreadable_files`: ids of files that are damaged, or whose passages or documents are.
    `vectors_unknown`: nobody knows how the vectors are kept. `counters`: what numbers that cannot be are to be instead;
    `forget`: other settings that cannot be. `last_run_damaged`: what is recorded of the last run cannot be.
    `token_vectors_damaged`: those that are kept are not what was written.
    """

    broken: bool = False
    suspect: bool = False
    damaged: list[int] = field(default_factory=list)
    damaged_sparse: list[str] = field(default_factory=list)
    sparse_lost_from: int | None = None
    recodable: list[Segment] = field(default_factory=list)
    missing: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    extra: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    foreign: int = 0
    unreadable_files: list[int] = field(default_factory=list)
    vectors_unknown: bool = False
    counters: dict[str, int] = field(default_factory=dict)
    forget: list[str] = field(default_factory=list)
    last_run_damaged: bool = False
    token_vectors_damaged: bool = False

    def add(self, what: str, repair: str, part: str = settings.CATALOG_FILE) -> None:
        self.problems.append(Problem(part, what, repair))
