"""Which chunks a search may return: ranges of ids, and ids that are named."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from semsearch.lexical.bm25 import locate

if TYPE_CHECKING:
    from semsearch.store.protocol import Selection

Ids = NDArray[np.int64]
Rows = NDArray[np.bool_] | None


@dataclass(frozen=True, eq=False)  # arrays are not compared
class Allowed:
    """`ranges`: (first chunk id, past-last id), rising; None: everything. Of these only what is `within` (n,) ids, and
    nothing that is `without` (m,) ids, both rising; None: not asked for."""

    ranges: Sequence[tuple[int, int]] | None = None
    within: Ids | None = None
    without: Ids | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing is kept out."""
        return self.ranges is None and self.within is None and self.without is None

    def rows(self, ids: Ids, alive: Rows) -> Rows:
        """Which rows of a segment with chunk ids `ids` (n,), rising, may be returned, (n,) bool; None: all."""
        allowed = alive
        if self.ranges is not None:
            inside = np.zeros(len(ids), np.bool_)
            for low, high in np.searchsorted(ids, np.array(self.ranges, np.int64).reshape(-1, 2)):
                inside[low:high] = True
            allowed = inside if allowed is None else inside & allowed
        for named, wanted in ((self.within, True), (self.without, False)):
            if named is not None:
                chosen = np.full(len(ids), not wanted)
                chosen[_rows_of(named, ids)] = wanted
                allowed = chosen if allowed is None else chosen & allowed
        return allowed


@dataclass(frozen=True, eq=False)  # arrays are not compared
class ChunkSelection:
    """`protocol.Selection`: chunks in `allowed`; `unmatched`: path globs and titles that no file matches."""

    allowed: Allowed
    unmatched: tuple[str, ...] = ()
    has_no_file: bool = False

    def among(self, ids: Ids) -> Ids:
        let_in = self.allowed.rows(ids, None)
        return ids if let_in is None else ids[let_in]


def allowed_by(selection: "Selection | None") -> Allowed:
    """What `selection`, of a store with `ChunkSelection`s, lets in; None: all."""
    if selection is None:
        return Allowed()
    assert isinstance(selection, ChunkSelection)
    return selection.allowed


def ranges_after(spans: Sequence[tuple[int, int]], after: int) -> list[tuple[int, int]]:
    """`spans` without what is not `after` that chunk id."""
    return [(max(first, after + 1), last) for first, last in spans if last > after + 1]


def _rows_of(named: Ids, ids: Ids) -> Ids:
    """(m,) the rows of a segment with chunk ids `ids` (n,) of those that `named` (k,) has; all rising."""
    if not len(ids):
        return np.empty(0, np.int64)
    low, high = np.searchsorted(named, [ids[0], ids[-1] + 1])
    inside = named[low:high]
    # Without gaps, as in most segments, a row follows from its id.
    return inside - ids[0] if ids[-1] - ids[0] + 1 == len(ids) else locate(inside, ids)[1]
