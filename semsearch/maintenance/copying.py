"""`copy`: an index in another place, of whatever kind, without reading or encoding a document again."""

import time
from dataclasses import dataclass
from typing import Any

from semsearch import settings
from semsearch.callbacks import Advance, Announce
from semsearch.errors import SemsearchError, UsageError, for_shell
from semsearch.indexing import named_folders
from semsearch.store.copying import copy_to
from semsearch.store.opening import open_store, place_of
from semsearch.store.protocol import Snapshot
from semsearch.store.records import DEFAULT_VECTORS, Counts


@dataclass(frozen=True)
class CopyReport:
    """What is at `target` now, which was compared with what is at `index`."""

    index: str
    target: str
    files: int
    chunks: int
    pending: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        return {
            "schema": "semsearch.copy/1",
            "index": self.index,
            "to": self.target,
            "files": self.files,
            "chunks": self.chunks,
            "pending": self.pending,
            "seconds": round(self.seconds, 3),
        }


def copy(index: str | None, to: str, wait: bool, announce: Announce, advance: Advance) -> CopyReport:
    """Copies the index to the folder or URL `to`. `wait`: for another run that writes there.

    Raises `SemsearchError`; what was copied until then is kept, and the next call goes on.
    """
    clock = time.perf_counter()
    path, place = settings.index_for_reading(index), settings.index_for_writing(to, [])
    if place_of(path) == place_of(place):
        raise UsageError(f"{place} is the index that is to be copied", "name another place with --to")
    source, target = open_store(path), open_store(place)
    try:

        def ask(snapshot: Snapshot) -> None:
            _check_vectors(snapshot, path)
            copy_to(snapshot, target, advance, wait, announce)
            if target.host:
                here = [root.path for root in snapshot.info().roots if root.is_here]
                # Those of an index in a folder are its owner's; of one in a database, those that were named for it.
                known = named_folders.named(path) if source.host else here
                named_folders.remember(place, [folder for folder in here if folder in known])

        source.read(ask)
        # Not while the source is read: in one database, an index of vectors waits for all who read an older state.
        with target.write(wait, announce=announce) as writer:
            writer.maintain()
        counts: Counts = target.read(lambda snapshot: snapshot.counts())
        kind = source.read(lambda snapshot: snapshot.storage().vectors["kind"])
    finally:
        source.close()
        target.close()
    if kind != DEFAULT_VECTORS["kind"]:
        announce(f"the vectors are kept as {DEFAULT_VECTORS['kind']} there, not as {kind}")
    files = counts.indexed + counts.skipped + counts.failed
    return CopyReport(path, place, files, counts.chunks, counts.pending, time.perf_counter() - clock)


def _check_vectors(snapshot: Snapshot, path: str) -> None:
    """Raises `SemsearchError` where the vectors are not those that the model makes of texts."""
    if snapshot.info().model is not None and not snapshot.keeps_model_vectors() and len(snapshot.encoded_ids()):
        raise SemsearchError(
            f"{path} has only smaller vectors than those of its model, which cannot be copied",
            f"encode them anew with: semsearch index --rebuild --index {for_shell(path)}",
            code="originals_dropped",
        )
