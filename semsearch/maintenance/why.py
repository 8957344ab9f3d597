"""Why a file is, or is not, among the results of a query: every way a file can be missed, told apart."""

import os
from dataclasses import dataclass
from typing import Any

from semsearch.errors import UsageError
from semsearch.maintenance.file_status import FileStatus, file_statuses
from semsearch.retrieval.hit import Hit, hit_dict
from semsearch.retrieval.options import DEPTH, SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.sources.names import display_path, shown_name
from semsearch.store.records import places_of

SCHEMA = "semsearch.why/1"


@dataclass(frozen=True)
class Why:
    """What became of the file at `path` in a search for `query`.

    `status`: `found` (it is shown), `ranked` (below the first k), `filtered`, `missing` (no such file), `outside` (of
    the indexed folders), or one of `FileStatus`. `rank` is its best passage's, `file_rank` its own among files, of
    `candidates` passages that were compared.
    """

    query: str
    path: str
    status: str
    reason: str
    rule: str = ""
    rank: int | None = None
    file_rank: int | None = None
    candidates: int | None = None
    hit: Hit | None = None

    def as_dict(self) -> dict[str, Any]:
        """The `semsearch.why/1` object."""
        names = ("query", "path", "status", "reason", "rule", "rank", "file_rank", "candidates")
        return {
            "schema": SCHEMA,
            **{name: getattr(self, name) for name in names},
            "passage": hit_dict(self.hit) if self.hit else None,
        }


def why(searcher: Searcher, query: str, file: str, options: SearchOptions) -> Why:
    """Explains what `options` make of `file` (a path, or as results show it) in a search for `query`."""
    if not file:
        raise UsageError("the name of the file is empty", "name it as results show it, or by its path")
    known = {entry.path: entry for entry in file_statuses(searcher.index, after=searcher.after)[1]}
    shown, path = _shown_as(searcher, file, known)
    parts = (shown or file).split("/")
    # Of a folder that is left out as a whole only the folder is an entry.
    names = [shown or file, *("/".join(parts[:count]) + "/" for count in range(1, len(parts) + 1))]
    roots = searcher.roots()
    names += [root.path for place, root in places_of(roots) if path.startswith(place.rstrip("/") + "/")]
    entry = next((known[name] for name in names if shown and name in known), None)
    root = next((root for place, root in places_of(roots) if path.startswith(place.rstrip("/") + "/")), None)
    if entry is None and root is not None and not root.is_here:
        return Why(query, shown or file, "missing", f"the index holds no such file; ask on the machine {root.host} why")
    if entry is None and not os.path.lexists(path):
        return Why(query, shown or file, "missing", "there is no such file")
    if shown is None:
        return Why(query, file, "outside", "it is not below any indexed folder: semsearch index FOLDER takes it in")
    if entry is None:
        return Why(query, shown, "outside", "the index does not look at it")
    if entry.status not in ("indexed", "pending"):
        return Why(query, shown, entry.status, entry.reason, entry.rule)
    standing = searcher.standing(query, shown, options)
    if standing is None:
        return Why(query, shown, "filtered", "this query or its filters leave it out")
    shown_rank = standing.file_rank if options.group == "file" else standing.hit.rank
    notes = [entry.reason] if entry.reason else []
    if entry.status == "pending":
        notes.append("not all of it is encoded yet: found by its words only")
    if standing.mode in ("lexical", "sparse") and not standing.hit.score:
        kind = "word" if standing.mode == "lexical" else "token"
        return Why(query, shown, "ranked", "; ".join([f"no {kind} of the query occurs in it", *notes]))
    lowest = options.min_score if options.min_score is not None else options.least_best(standing.mode)
    too_low = (standing.best_score if options.min_score is None else standing.hit.score) < lowest
    if shown_rank > options.k:
        shows = "" if too_low else f": -k {shown_rank} shows it"
        notes.insert(0, f"it stands at {shown_rank}, below the first {options.k}{shows}")
        how = standing.hit.explanation
        if (
            how
            and standing.mode != "sparse"
            and (how.dense_rank or DEPTH + 1) > DEPTH
            and (how.lexical_rank or DEPTH + 1) > DEPTH
        ):
            notes.append(f"neither by meaning nor by words is it among the first {DEPTH:,}")
    if too_low:
        notes.insert(0, f"the search finds nothing that answers well enough ({standing.best_score:.3f} at best)")
    status = "found" if shown_rank <= options.k and not too_low else "ranked"
    return Why(
        query,
        shown,
        status,
        "; ".join(notes),
        "",
        standing.hit.rank,
        standing.file_rank,
        standing.candidates,
        standing.hit,
    )


def _shown_as(searcher: Searcher, file: str, known: dict[str, FileStatus]) -> tuple[str | None, str]:
    """How results show `file` (None: it lies below no indexed folder), and its absolute path."""
    path = os.path.abspath(os.path.expanduser(file))
    known_roots = searcher.roots()
    roots = [(place, root.label) for place, root in places_of(known_roots)]
    several = len(known_roots) > 1
    for root, label in roots:
        if path.startswith(root.rstrip("/") + "/"):
            shown = display_path(label, os.fsencode(os.path.relpath(path, root)), several)
            if shown in known or file not in known:
                return shown, path
    if file not in known:
        file = os.path.normpath(file)  # `./-rf`, as paths are printed for other commands
    for root, label in roots:
        # As results show it, which need not be a path from the working folder.
        inside = os.path.join(root, file.removeprefix(label + "/") if several else file)
        if file in known or (not os.path.isabs(file) and os.path.lexists(inside)):
            return file if file in known else shown_name(os.path.normpath(file)), inside
    return None, path
