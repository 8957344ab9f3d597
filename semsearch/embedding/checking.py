"""`models verify`: checks that a model is complete on this machine and gives the vectors it should."""

import os
import tempfile
from typing import Any

from semsearch.callbacks import Announce
from semsearch.embedding.cache import prepare_model, read_info
from semsearch.embedding.open import open_model
from semsearch.embedding.resolve import resolve
from semsearch.embedding.sparse_head import head_of
from semsearch.embedding.sparse_model import sparse_fingerprint


def check_model(name: str, trust: bool, announce: Announce) -> dict[str, Any]:
    """Prepares the model `name` anew and reports its folder, fingerprint, runtime, and agreement with its reference.

    A provider's model is asked for two vectors instead. `trust`: code in its folder may be run. Raises `ModelError`.
    """
    source = resolve(name, None, trust)
    report: dict[str, Any] = {"name": source.name}
    if source.kind == "api":
        embedder = open_model(source, announce)
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
        is_sparse = head_of(source.folder) == "sparse-encoder"  # which makes no other vectors
        fingerprint = sparse_fingerprint(source) if is_sparse else source.fingerprint
        kind = "sparse" if is_sparse else "static" if source.kind == "static" else "transformer"
        prepare_model(source.name, source.folder, fingerprint, kind, path, trust)
        record = read_info(path)
        assert record is not None
        info = record["info"]
        shape = {"vocabulary": info["vocabulary"]} if is_sparse else {"dimensions": info["dim"]}
        return {
            **report,
            "folder": source.folder,
            "fingerprint": fingerprint,
            "runtime": info["runtime"],
            **shape,
            "window": info["window"],
            **({} if is_sparse else {"pooling": info["pooling"]}),
            "query_prefix": info["query_prefix"],
            "passage_prefix": info["passage_prefix"],
            "agreement": record["mean_cosine_with_reference"],
        }
