"""Servers on the loopback that speak the protocols of providers of embeddings, and misbehave on purpose."""

import base64
import hashlib
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.chat_server import Chat, Handler, chat

KEY = "sk-test-0123456789abcdef"
MODELS = {
    "openai": "text-embedding-3-small",
    "cohere": "embed-english-v3.0",
    "voyage": "voyage-3",
    "jina": "jina:jina-embeddings-v3",
}
Vector = list[float]


def vector(text: str, dim: int) -> Vector:
    """Words in common, directions in common; not of length 1."""
    found = [0.01] * dim
    for word in re.findall(r"\w+", text.lower()):
        found[int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest()) % dim] += 1.0
    return found


@dataclass
class Asked:
    """One request, in any protocol: `role` is `query` or `passage`, "" where the protocol does not tell."""

    texts: list[str]
    role: str
    dim: int | None
    body: dict[str, Any]


@dataclass
class Server:
    """`asked`: the requests so far. `twist(number, vectors)` may change what the request `number` (from 1) is answered;
    `refuse(number)` may answer instead: (status, body, headers)."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    twist: Callable[[int, list[Vector]], list[Vector]] = lambda number, vectors: vectors
    refuse: Callable[[int], tuple[int, object, dict[str, str]] | None] = lambda number: None

    def environment(self) -> dict[str, str]:
        """What makes the clients of all providers come here."""
        return {
            "OPENAI_BASE_URL": self.url + "/v1", "OPENAI_API_KEY": KEY, "JINA_BASE_URL": self.url + "/v1",
            "JINA_API_KEY": KEY, "CO_API_URL": self.url, "CO_API_KEY": KEY, "VOYAGE_BASE_URL": self.url + "/v1",
            "VOYAGE_API_KEY": KEY,
        }  # fmt: skip


@contextmanager
def provider(kind: str, dim: int) -> Iterator[Server]:
    """A server of `kind` whose vectors have `dim` numbers, or as many as it is asked for."""
    server = Server()

    def behave(handler: Handler, body: dict[str, Any]) -> None:
        asked = _asked(kind, body)
        server.asked.append(asked)
        number = len(server.asked)
        refusal = server.refuse(number)
        if refusal is not None:
            status, answer, headers = refusal
            handler.reply(status, answer, **headers)
            return
        vectors = server.twist(number, [vector(text, asked.dim or dim) for text in asked.texts])
        handler.reply(200, _answer(kind, vectors))

    with chat(behave) as running:
        assert isinstance(running, Chat)
        server.url = running.url.removesuffix("/v1")
        yield server


def _asked(kind: str, body: dict[str, Any]) -> Asked:
    if kind == "cohere":
        return Asked(body["texts"], body["input_type"].removeprefix("search_"), body.get("output_dimension"), body)
    role = str(body.get("input_type") or body.get("task") or "").removeprefix("retrieval.")
    return Asked(body["input"], role, body.get("dimensions") or body.get("output_dimension"), body)


def _answer(kind: str, vectors: list[Vector]) -> object:
    if kind == "cohere":
        return {
            "id": "1", "texts": [], "embeddings": {"float": vectors},
            "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 1}},
        }  # fmt: skip
    rows: list[dict[str, Any]] = [
        {"object": "embedding", "index": number, "embedding": row} for number, row in enumerate(vectors)
    ]
    if kind == "voyage":  # its client asks for base64
        for row in rows:
            row["embedding"] = base64.b64encode(struct.pack(f"<{len(row['embedding'])}f", *row["embedding"])).decode()
    return {"object": "list", "data": rows, "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}}
