"""Compares the folders of an index with what it holds, and refuses what looks like an unmounted disk. Writes nothing;
`index --dry-run` asks the same.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from semsearch.errors import SemsearchError, UsageError, for_shell
from semsearch.indexing.changes import Changes, FileComparison, KnownFiles, find_changes, mass_delete
from semsearch.indexing.options import IndexOptions
from semsearch.settings import host_name
from semsearch.sources.differences import RootDifference
from semsearch.sources.grammars import readers_version, with_grammars
from semsearch.sources.walk import File, is_gone
from semsearch.sources.walk_rules import WalkRules
from semsearch.store.protocol import Snapshot
from semsearch.store.records import FileRecord, Root


@dataclass(frozen=True)
class NewReaders:
    """What of the readers is new to an index: `any` of them read more than those that last saw every file, so that
    what could not be read is tried again; there are `grammars`, and may be files that were read without."""

    any: bool
    grammars: bool


def new_readers(recorded: int | None) -> NewReaders:
    """What of the readers of this machine is new to an index that records the version `recorded`; None: nothing was
    read yet. Another machine may have better ones, and what they did is not undone."""
    if recorded is None:
        return NewReaders(False, False)
    own = readers_version(recorded)
    return NewReaders(recorded < own, recorded < own and with_grammars(own))


@dataclass(frozen=True)
class ComparedFolders:
    """`roots`: the folders that were compared; `lost`: those of them that are not there; `changes`: what differs."""

    roots: tuple[Root, ...]
    lost: tuple[Root, ...]
    changes: Changes
    comparison: FileComparison

    def known_hash(self, file: File, old: FileRecord | None) -> bytes | None:
        """The content hash with which `file`, of which the index knows `old`, need not be read anew; None: it must."""
        if old is None or old.path != os.fsencode(file.path) or old.generation != self.comparison.generation:
            return None
        return None if self.comparison.reads_again(old) else old.content_hash


def comparison_of(
    rules: WalkRules, generation: int, readers: NewReaders, options: IndexOptions, location: str
) -> FileComparison:
    """How a run of `options` compares files; the rest as in `FileComparison`."""
    return FileComparison(
        rules,
        location,
        generation,
        options.verify,
        options.retry,
        bool(options.passwords),
        readers.any,
        options.ocr,
        readers.grammars,
    )


def compare_folders(
    snapshot: Snapshot | None,
    roots: tuple[Root, ...],
    comparison: FileComparison,
    options: IndexOptions,
    seen: Mapping[int, RootDifference],
    stopping: Callable[[], bool] = lambda: False,
) -> ComparedFolders:
    """How `roots` differ from the index `snapshot` (None: there is none); `seen`: roots that were compared already.

    Ends early where `stopping` says so.
    """
    known_ids = set() if snapshot is None else {root.id for root in snapshot.info().roots}
    known = {root.id: KnownFiles(snapshot if root.id in known_ids else None, root.id) for root in roots}
    paths = {root.id: root.path for root in roots}
    changes = find_changes(paths, known, comparison, options.files_from, seen, stopping)
    lost = tuple(root for root in roots if is_gone(root.path))
    return ComparedFolders(roots, lost, changes, comparison)


def refuse_no_folder(own: Sequence[str], location: str) -> None:
    """Raises `UsageError` where the index at `location` has no folder of this machine, `own` being those it has."""
    if not own:
        raise UsageError(
            f"this machine, called {host_name()}, has no folder in {location}",
            "name the folder to index, or help to encode what others have: --encode-only;"
            " SEMSEARCH_HOST says what a machine is called",
        )


def refuse_lost_roots(roots: tuple[Root, ...], location: str) -> None:
    """Raises `SemsearchError` for an indexed folder that is not there."""
    for root in roots:
        if is_gone(root.path):
            raise SemsearchError(
                f"the indexed folder {root.path} is gone; nothing was changed",
                "bring it back; index another folder by its name: semsearch index FOLDER"
                f" --index {for_shell(location)}; or drop it from the index with --prune",
                code="root_gone",
            )


def refuse_mass_delete(snapshot: Snapshot, compared: ComparedFolders, location: str) -> None:
    """Raises `SemsearchError` for a run that would drop what an unmounted disk would."""
    refusal = why_refused(snapshot, compared)
    if refusal:
        raise SemsearchError(
            f"{refusal}; nothing was changed",
            f"if that is meant, drop them with: semsearch index --prune --index {for_shell(location)}",
            code="would_drop",
        )


def why_refused(snapshot: Snapshot, compared: ComparedFolders) -> str:
    """Why the run would be refused without `--prune`; "": it would not."""
    changes = compared.changes
    losing = {old.root_id for old in changes.remove} | {old.root_id for _, _, old in changes.skip if old is not None}
    if not losing:
        return ""
    known = {root.id for root in snapshot.info().roots}
    compared_ids = {root.id for root in compared.roots} & known
    # Of an index that is compared as a whole the sum is known.
    counted = losing if compared_ids == known else compared_ids
    indexed = {number: len(snapshot.paths(number)) - len(snapshot.left_out(number)) for number in counted}
    total = snapshot.counts().indexed if compared_ids == known else sum(indexed.values())
    return mass_delete(total, compared.roots, indexed, changes)
