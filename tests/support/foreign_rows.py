"""Rows that another program puts into a collection, by the database's own client, under names that no index gives."""

from urllib.parse import urlsplit
from uuid import uuid4

import chromadb
import numpy as np
from numpy.typing import NDArray
from qdrant_client import QdrantClient, models


def put_foreign(url: str, vectors: NDArray[np.float32]) -> int:
    """Puts `vectors` (n, d) into the collection at `url`; how many it took: none where every key is one of a chunk."""
    parts = urlsplit(url)
    name = parts.path.strip("/")
    numbers = [str(uuid4()) for _ in vectors]
    if parts.scheme == "qdrant":
        client = QdrantClient(url=f"http://{parts.netloc}", check_compatibility=False)
        batch = models.Batch(ids=[2**64 - 1, *numbers[1:]], vectors=vectors.tolist(), payloads=[{} for _ in numbers])
        client.upsert(name, batch, wait=True)
        client.close()
    elif parts.scheme == "chroma":
        assert parts.hostname is not None and parts.port is not None
        collection = chromadb.HttpClient(parts.hostname, parts.port).get_collection(name, embedding_function=None)
        names = ["doc-x", "007", str(2**64 - 1), "9" * 5_000, *numbers][: len(numbers)]
        rows = [{"theirs": number} for number in range(len(names))]
        collection.upsert(ids=names, embeddings=vectors, metadatas=rows, documents=names)  # type: ignore[arg-type]
    else:
        assert parts.scheme == "pgvector"
        return 0
    return len(vectors)
