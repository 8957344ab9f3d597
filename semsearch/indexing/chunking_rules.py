"""How the chunks of a new index are measured."""

from typing import Any

from semsearch import settings
from semsearch.chunking.tokenizers import tiktoken_named
from semsearch.embedding.resolve import ModelSource
from semsearch.errors import UsageError
from semsearch.indexing.options import IndexOptions

_API_RULER = "cl100k_base"


def chunking_of_new(options: IndexOptions, source: ModelSource) -> dict[str, Any]:
    """The chunking that a new index of the model `source` records."""
    return {
        "size": options.chunk_size,
        "overlap": options.overlap,
        "tokenizer": options.tokenizer or _ruler(source),
        "analysis": settings.ANALYSIS_VERSION,
    }


def _ruler(source: ModelSource) -> str | None:
    """tiktoken's for a model behind an API, whose own is not here; None: the model's own, or the packaged one's."""
    if source.kind != "api":
        return None
    try:
        tiktoken_named(_API_RULER)
    except UsageError:  # its vocabulary is not on this machine
        return None
    return _API_RULER
