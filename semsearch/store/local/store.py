"""An index in a folder of this machine, as `protocol.Store`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

from semsearch.settings import CATALOG_FILE
from semsearch.store.local.damage import about_index
from semsearch.store.local.reader import Reader
from semsearch.store.local.snapshot import LocalSnapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from semsearch.store.problems import Findings
    from semsearch.store.protocol import OpenEncoder, Snapshot, Writer

Answer = TypeVar("Answer")


class LocalStore:
    """The index folder `location`, which need not be there before the first `write`."""

    capabilities = frozenset({"verify", "repair", "quantize", "stat_check", "share", "sparse", "token_vectors"})
    host = ""

    def __init__(self, location: str) -> None:
        self.location = location
        self._reader: Reader | None = None

    def exists(self) -> bool:
        return os.path.isfile(os.path.join(self.location, CATALOG_FILE))

    def read(self, question: Callable[[LocalSnapshot], Answer]) -> Answer:
        if self._reader is None:
            self._reader = Reader(self.location)
        with about_index(self.location):
            return self._reader.read(question)

    def write(
        self,
        wait: bool = False,
        rebuild: bool = False,
        shared: str | None = None,
        folders: Sequence[str] | None = None,
        announce: Callable[[str], None] = lambda message: None,
    ) -> AbstractContextManager[Writer]:
        # Nothing a search has use for.
        from semsearch.store.local.transaction import LocalWriter
        from semsearch.store.local.writer import IndexWriter

        with about_index(self.location):
            writer = LocalWriter(IndexWriter(self.location, wait, trust=rebuild, shared=shared))
            writer.resume()
            return writer

    def clone(self, target: str) -> LocalStore:
        from semsearch.store.local.clone import clone_index

        def copy(snapshot: Snapshot) -> None:
            assert isinstance(snapshot, LocalSnapshot)
            clone_index(snapshot, target)

        self.read(copy)
        if LocalStore(target).read(lambda snapshot: snapshot.uses_engine()):
            from semsearch.store.local.moving_vectors import take_in_vectors
            from semsearch.store.local.writer import IndexWriter

            with IndexWriter(target) as index, index.commit():
                take_in_vectors(index)
        return LocalStore(target)

    def examine(self) -> Findings:
        from semsearch.store.local.examination import examine_folder

        return examine_folder(self.location)

    def repair(self, wait: bool, open_encoder: OpenEncoder, announce: Callable[[str], None]) -> Findings:
        from semsearch.store.local.repair import repair_folder

        return repair_folder(self.location, wait, open_encoder, announce)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
