"""Finds a file by the path results show, the passage at one of its lines, and where it stands in a ranking."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from semsearch.errors import ParameterError
from semsearch.retrieval.candidates import find_candidates
from semsearch.retrieval.highlight import highlighted
from semsearch.retrieval.hit import Hit
from semsearch.retrieval.hydrate import ScoredCandidates, hits_from
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.plan import QueryPlan
from semsearch.retrieval.restrictions import Restrictions
from semsearch.sources.names import display_path, shown_name
from semsearch.store.records import FileRecord, places_of

if TYPE_CHECKING:
    from semsearch.store.protocol import Snapshot


@dataclass(frozen=True)
class Standing:
    """Where a file stands: its best passage with its rank among all passages, its rank among files, out of how many
    candidates, the mode that was searched in, and the score of the best passage of all."""

    hit: Hit
    file_rank: int
    candidates: int
    mode: str
    best_score: float


def standing(
    snapshot: Snapshot,
    path: str,
    options: SearchOptions,
    prefix: str,
    depth: int,
    plan_of: Callable[[], QueryPlan],
) -> Standing | None:
    """Where the best passage of the file shown as `path` stands, however deep; None when there is no such file, or
    nothing of it is let in. `plan_of` plans the query, which a file that is not there has no use for."""
    file = indexed_file(snapshot, path, prefix)
    if file is None or not file.chunk_count:
        return None
    plan = plan_of()
    allowed = Restrictions(snapshot, plan.parsed, options.filters, prefix)
    chunks = np.array([passage.id for passage in snapshot.passages_of(file.id)], np.int64)
    own = allowed.among(chunks if allowed.selection is None else allowed.selection.among(chunks)).tolist()
    if not own:
        return None
    selection = allowed.all_read()
    candidates = find_candidates(snapshot, plan, selection, depth, own, allowed.among)
    best = int(np.flatnonzero(np.isin(candidates.ids, own))[0])
    scored = ScoredCandidates(candidates, candidates.scores)
    explained = replace(options, explain=True)
    hit = next(hits_from(snapshot, scored, plan, explained, prefix, best))
    (hit,) = highlighted(snapshot, [replace(hit, rank=best + 1)], plan, explained)
    above = len(np.unique(snapshot.file_ids(candidates.ids[:best])))
    return Standing(hit, above + 1, len(candidates), plan.mode, float(candidates.scores[0]))


def indexed_file(snapshot: Snapshot, path: str, prefix: str) -> FileRecord | None:
    """The indexed file that is shown as `path`; None when there is none."""
    info = snapshot.info()
    shown = ((root.id, name) for root in info.roots for name in snapshot.paths(root.id))
    for root_id, name in shown:
        if prefix + info.shown_path(root_id, name) == path:
            file = snapshot.file(root_id, name)
            if file is not None and file.status == "indexed":
                return file
    return None


def named_file(snapshot: Snapshot, name: str) -> FileRecord | None:
    """The indexed file whose path `name` is, or which `path` of results says so; None when there is none.

    Bytes that are not UTF-8 may be said as backslash escapes, too.
    """
    info = snapshot.info()
    # `//HOST/PATH` stays as it is.
    path = os.path.abspath(os.path.expanduser(name))
    for place, root in places_of(info.roots):
        if path.startswith(place.rstrip("/") + "/"):
            inside = os.path.relpath(path, place)
            file = snapshot.file(root.id, os.fsencode(inside))
            if file is not None and file.status == "indexed":
                return file
            escaped = display_path(root.label, os.fsencode(inside), len(info.roots) > 1)
            if "\\" in inside and (file := indexed_file(snapshot, escaped, "")) is not None:
                return file
    return indexed_file(snapshot, shown_name(os.path.normpath(name)), "")


def passage_at(snapshot: Snapshot, path: str, line: int | None) -> tuple[str, frozenset[int]]:
    """(text, chunk ids) of the passage of the `named_file` called `path` that holds `line` (a page, where a document
    has no lines; None: the first passage). Raises `UsageError`."""
    file = named_file(snapshot, path)
    if file is None:
        raise ParameterError(
            "like", f"{path}: no indexed file is shown so", "name it as results show it, or index it first"
        )
    passages = snapshot.passages_of(file.id)
    if not passages:
        raise ParameterError("like", f"{path}: it holds no passage", "name another file")
    if line is None:
        return passages[0].text, frozenset([passages[0].id])
    holding = [
        one
        for one in passages
        if (one.line_start is None and one.page == line)
        or (one.line_start is not None and one.line_start <= line <= (one.line_end or 0))
    ]
    if not holding:
        raise ParameterError("like", f"{path}:{line}: no passage of the index is there", "leave out the line")
    # Where passages overlap, all that hold the line are the example itself.
    return holding[-1].text, frozenset(one.id for one in holding)
