"""What `status` tells of an index. Reads the catalog only; loads neither numpy nor faiss nor a model."""

import json
import os
import time
from typing import Any

from semsearch import settings
from semsearch.storage.catalog import Catalog


def index_status(index: str | None) -> dict[str, Any]:
    """The `semsearch.status/1` object. Raises `SemsearchError` when there is no index or it cannot be read."""
    path = settings.index_for_reading(index)
    return Catalog.read(path, lambda catalog: _status(catalog, path))


def _status(catalog: Catalog, path: str) -> dict[str, Any]:
    counts = catalog.counts()
    model = catalog.setting("model")
    run = catalog.last_run()
    checked = os.stat(os.path.join(path, "lock")).st_mtime
    return {
        "schema": "semsearch.status/1",
        "index": path,
        "roots": [{"path": root, "exists": os.path.isdir(root)} for _, root, _ in catalog.roots()],
        "files": {name: counts[name] for name in ("indexed", "skipped", "failed")},
        "chunks": {
            "total": counts["chunks"],
            "embedded": counts["chunks"] - counts["pending"],
            "pending": counts["pending"],
        },
        "model": {
            "name": catalog.setting("model_name"),
            **{key: model[key] if model else None for key in ("fingerprint", "runtime", "dim", "window")},
        },
        "vectors": _vectors(catalog.setting("vectors")),
        "tuned": (catalog.setting("adapter") or {}).get("questions"),
        "chunking": catalog.setting("chunking"),
        "rules": catalog.setting("rules"),
        "segments": {kind: len(catalog.segments(kind)) for kind in ("lex", "vec")},
        "bytes": _size(path),
        "last_change": run
        and {**json.loads(run["report"]), "time": _iso(run["started"]), "seconds": round(run["seconds"], 3)},
        "last_check": _iso(checked),
        "age_seconds": round(max(0.0, time.time() - checked), 1),
    }


def _vectors(form: dict[str, Any] | None) -> dict[str, Any]:
    """The form of the vectors, as `quantize` recorded it."""
    if form is None:
        return {"kind": "float16", "original": None, "dim": None, "ann": "auto", "loss": 0.0}
    return {
        "kind": form["codes"] or form["store"],
        "original": form["store"] if form["codes"] else None,
        "dim": form["projection"] and form["projection"]["dim"],
        "ann": form["ann"],
        "loss": form["loss"],
    }


def _size(folder: str) -> int:
    """Bytes of all files below `folder`."""
    return sum(os.lstat(os.path.join(parent, name)).st_size for parent, _, names in os.walk(folder) for name in names)


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
