"""What `status` tells of an index."""

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from semsearch import settings
from semsearch.errors import SemsearchError
from semsearch.shortage import as_told
from semsearch.sources.walk import is_gone
from semsearch.store.opening import read_index
from semsearch.store.protocol import Snapshot
from semsearch.store.records import Root, RunRecord

NAMED_SCHEMA = "semsearch.indexes/1"


@dataclass(frozen=True)
class NamedIndex:
    """An index that has a name in the configuration file, with its `semsearch.status/1` object, or the error that is in
    the way of one."""

    name: str
    location: str
    status: dict[str, Any] | None = None
    error: SemsearchError | None = None

    def as_dict(self) -> dict[str, Any]:
        """The entry of `indexes` in a `semsearch.indexes/1` object."""
        error = self.error
        told = None if error is None else {"code": error.code, "message": error.message, "hint": error.hint}
        return {"name": self.name, "index": self.location, "status": self.status, "error": told}


def named_indexes() -> Iterator[NamedIndex]:
    """Each index that has a name in the configuration file, in its order, once its status is known."""
    for name, location in settings.index_names().items():
        is_url = settings.url_scheme(location)
        told = settings.without_password(location) if is_url else os.path.abspath(os.path.expanduser(location))
        try:
            status = index_status(name)
        except SemsearchError as error:
            yield NamedIndex(name, told, error=error)
        except OSError as error:
            yield NamedIndex(name, told, error=as_told(error))
        except sqlite3.Error as error:
            hint = f"semsearch verify --index {name}"
            yield NamedIndex(name, told, error=SemsearchError(f"its catalog: {error}", hint, code="catalog"))
        else:
            yield NamedIndex(name, status["index"], status)


def index_status(index: str | None) -> dict[str, Any]:
    """The `semsearch.status/1` object. Raises `SemsearchError` when there is no index or it cannot be read."""
    path = settings.index_for_reading(index)
    return read_index(path, lambda snapshot: _status(snapshot, path))


def _status(snapshot: Snapshot, path: str) -> dict[str, Any]:
    info, counts, storage = snapshot.info(), snapshot.counts(), snapshot.storage()
    run = snapshot.last_run()
    model = None if info.model is None else info.model.as_dict()
    return {
        "schema": "semsearch.status/1",
        "index": path,
        "roots": [_root(root) for root in info.roots],
        "files": {"indexed": counts.indexed, "skipped": counts.skipped, "failed": counts.failed},
        "chunks": {
            "total": counts.chunks,
            "embedded": counts.chunks - counts.pending,
            "pending": counts.pending,
        },
        "model": {
            "name": info.model_name,
            **{key: model[key] if model else None for key in ("fingerprint", "runtime", "dim", "window")},
        },
        **({"sparse": {"name": info.sparse.name, "pending": snapshot.sparse_pending()}} if info.sparse else {}),
        "vectors": {**storage.vectors, **({"at": info.vectors_at} if info.vectors_at else {})},
        **({} if storage.token_vectors is None else {"token_vectors": dict(storage.token_vectors)}),
        "tuned": (info.adapter or {}).get("questions"),
        "weights": None if info.fusion is None else dict(info.fusion),
        "chunking": None if info.chunking is None else asdict(info.chunking),
        "rules": None if info.rules is None else info.rules.as_dict(),
        "segments": dict(storage.segments),
        "bytes": storage.size,
        **({"machines": [_machine(one) for one in storage.machines]} if storage.machines else {}),
        "last_change": None if run is None else _last_change(run),
        "last_check": _iso(storage.checked) if storage.checked else None,
        "age_seconds": round(max(0.0, time.time() - storage.checked), 1) if storage.checked else None,
    }


def _root(root: Root) -> dict[str, Any]:
    if not root.is_here:  # what its machine sees is not known here
        return {"path": root.path, "host": root.host}
    exists = not is_gone(root.path)
    found = {"path": root.path, "exists": exists, "readable": exists and os.access(root.path, os.R_OK | os.X_OK)}
    return {**found, **({"host": root.host} if root.host else {})}


def _machine(machine: Mapping[str, Any]) -> dict[str, Any]:
    """A machine that shares the index, with times as text and ages in seconds."""
    now = time.time()
    checked = machine["checked"]
    return {
        "host": machine["host"],
        "folders": list(machine["folders"]),
        "last_check": _iso(checked) if checked else None,
        "age_seconds": round(max(0.0, now - checked), 1) if checked else None,
        "runs": [
            {
                "pid": run["pid"],
                "seconds": round(max(0.0, now - run["started"]), 1),
                "idle_seconds": round(max(0.0, now - run["seen"]), 1),
                "encoding": run["encoding"],
            }
            for run in machine["runs"]
        ],
    }


def _last_change(run: RunRecord) -> dict[str, Any]:
    return {**run.report, "time": _iso(run.started), "seconds": round(run.seconds, 3)}


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
