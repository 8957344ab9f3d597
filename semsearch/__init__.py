"""semsearch indexes local document folders and searches them by word and by meaning, offline.

    import semsearch
    semsearch.index(["notes"], index="notes/.semsearch")
    with semsearch.open_index("notes/.semsearch") as searcher:
        for hit in searcher.search("how do I renew the permit").hits:
            print(hit.path, hit.line_start, hit.score)

Names are loaded when they are first used, so `import semsearch` costs nothing.
"""

import os as _os

__version__ = "0.1.0"
__all__ = ["Hit", "SemsearchError", "__version__", "index", "open_index"]

# Libraries that would send word of their use to their makers: ONNX Runtime from 1.29 on, by a variable whose name
# changed since, and the hub's client. Set here, before anything can load them, and for all child processes.
for _name in ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED", "HF_HUB_DISABLE_TELEMETRY"):
    _os.environ.setdefault(_name, "1")

_PUBLIC = {
    "Hit": ("semsearch.retrieval.hit", "Hit"),
    "SemsearchError": ("semsearch.errors", "SemsearchError"),
    "index": ("semsearch.indexing", "index_folders"),
    "open_index": ("semsearch.retrieval.searcher", "Searcher"),
}


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'semsearch' has no attribute {name!r}")
    import importlib

    module, attribute = _PUBLIC[name]
    return getattr(importlib.import_module(module), attribute)
