"""Asks questions of an index folder, each of one committed state. An index that did not change is not opened again."""

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from semsearch.errors import IndexDamagedError, VectorEngineError
from semsearch.store.local.catalog import Catalog
from semsearch.store.local.checksum import check_catalog
from semsearch.store.local.damage import repair_hint
from semsearch.store.local.snapshot import LocalSnapshot

_TRIES = 8
Answer = TypeVar("Answer")


class OpenSnapshot(LocalSnapshot):
    """A snapshot on a connection of its own; `close` ends it."""

    def __init__(self, folder: str) -> None:
        catalog, self._stamp = Catalog.open_for_reading(folder)
        super().__init__(catalog)
        self._checked = False

    def close(self) -> None:
        if self._search is not None:
            self._search.close()
        self.catalog.close()

    def still_true(self) -> bool:
        """Whether all that was read so far is of one state."""
        return self.catalog.unchanged(self._stamp)

    def reusable(self) -> bool:
        """Whether a later question may use this snapshot while `still_true`; one taken while a writer works may not."""
        return self._stamp is not None

    def check(self) -> None:
        """Raises `IndexDamagedError` when the catalog is known not to be what was written; looks once."""
        if not self._checked:
            check_catalog(self.folder, writing=self._stamp is None)
            self._checked = True


class Reader:
    """Reads the index folder `folder`."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._snapshot: OpenSnapshot | None = None

    def close(self) -> None:
        if self._snapshot is not None:
            self._snapshot.close()
            self._snapshot = None

    def read(self, question: Callable[[LocalSnapshot], Answer]) -> Answer:
        """The answer of `question` to a snapshot; asked again when a writer changed files under it.

        Raises `IndexDamagedError`; any other error of `question` is its own.
        """
        for attempt in range(_TRIES):
            last = attempt == _TRIES - 1
            snapshot = self._open()
            try:
                snapshot.check()
                answer = question(snapshot)
                if snapshot.still_true() or last:
                    if not snapshot.reusable():
                        check_catalog(self.folder, writing=True)  # a repair may have begun, and been cut off, meanwhile
                    return answer
            except IndexDamagedError as error:
                # A writer may have removed a segment, or changed the catalog, after this snapshot began.
                if last or not moved_on(snapshot):
                    raise IndexDamagedError(error.message, error.hint or repair_hint(self.folder)) from None
            except VectorEngineError:
                # A writer may have taken the vectors elsewhere meanwhile.
                if last or not moved_on(snapshot):
                    raise
            finally:
                if not snapshot.reusable():
                    self.close()
        raise AssertionError("unreachable")

    def _open(self) -> OpenSnapshot:
        if self._snapshot is not None and not self._snapshot.still_true():
            self.close()
        if self._snapshot is None:
            self._snapshot = OpenSnapshot(self.folder)
        return self._snapshot


def moved_on(snapshot: OpenSnapshot) -> bool:
    """Whether a writer has changed the index since `snapshot`: then what it misses proves nothing."""
    if not snapshot.still_true():
        return True
    newer = OpenSnapshot(snapshot.folder)
    try:
        return _state(newer.catalog) != _state(snapshot.catalog)
    except UnicodeDecodeError:  # SQLite quotes what is damaged
        return False
    except sqlite3.Error:
        return True
    finally:
        newer.close()


def _state(catalog: Catalog) -> list[tuple[object, ...]]:
    # A vector database lets go of what is deleted, and of all that is taken from it.
    rows = catalog.connection.execute(
        "SELECT id, name, dead_count FROM segments UNION ALL SELECT 0, key, value FROM settings"
        " WHERE key IN ('vectors_at', 'model') ORDER BY id, name"
    ).fetchall()
    return [tuple(row) for row in rows]
