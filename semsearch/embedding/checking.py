"""`models verify`: whether a model is whole on this machine and gives the vectors it should."""

import os
import tempfile
from typing import Any

from semsearch.embedding import models
from semsearch.embedding.models import Announce


def check_model(name: str, trust: bool, announce: Announce) -> dict[str, Any]:
    """What is found of the model: folder, fingerprint, runtime, agreement with sentence-transformers.

    Raises `ModelError` where it cannot be prepared or asked.
    """
    source = models.resolve(name, None, trust)
    report: dict[str, Any] = {"name": source.name}
    if source.kind == "api":
        embedder = models.open_model(source, announce)
        cosine = float(embedder.encode_query("the tide rises") @ embedder.encode(["The water is coming in."])[0])
        return {
            **report,
            "answers": True,
            "dimensions": embedder.info.dim,
            "cosine_of_two_like_texts": round(cosine, 4),
        }
    announce(f"preparing {source.name} anew and comparing it")
    with tempfile.TemporaryDirectory(prefix="semsearch-verify-") as folder:
        path = os.path.join(folder, "model")
        kind = "static" if source.kind == "static" else "transformer"
        models.prepare(source.name, source.folder, source.fingerprint, kind, path, trust)
        record = models.read_info(path)
        assert record is not None
        info = record["info"]
        return {
            **report,
            "folder": source.folder,
            "fingerprint": source.fingerprint,
            "runtime": info["runtime"],
            "dimensions": info["dim"],
            "window": info["window"],
            "pooling": info["pooling"],
            "query_prefix": info["query_prefix"],
            "passage_prefix": info["passage_prefix"],
            "agreement": record["mean_cosine_with_reference"],
        }
