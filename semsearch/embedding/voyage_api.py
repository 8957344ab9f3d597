"""Sends texts to Voyage's embeddings API."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

from semsearch.embedding.api_runtime import (
    MOST_BYTES,
    BusyError,
    Provider,
    missing_client,
    refused,
    required_key,
    retry_after,
)
from semsearch.embedding.model_table import ModelCard
from semsearch.http_limits import bounded

# Most texts in one request is 1,000, most tokens 120,000 for the larger models (Voyage, "Text embeddings").
_TEXTS = 128
_TOKENS = 100_000
_SECONDS = 60.0


def connect(card: ModelCard, dim: int | None) -> Provider:
    """The Provider of `card`; `dim`: the length of vectors to ask for. Raises `ModelError`."""
    key = required_key("Voyage", "VOYAGE_API_KEY")
    try:
        import voyageai
        from voyageai import error as errors
    except ImportError:
        raise missing_client("voyageai", "voyage") from None
    voyageai.requestssession = _session
    # One attempt: the client counts attempts, and of none it makes none.
    client = voyageai.Client(key, max_retries=1, timeout=_SECONDS, base_url=os.environ.get("VOYAGE_BASE_URL") or None)

    def send(texts: Sequence[str], query: bool) -> Sequence[Sequence[float]]:
        try:
            answer = client.embed(
                list(texts), model=card.model_id, input_type="query" if query else "document", output_dimension=dim
            )
        except errors.VoyageError as error:
            status = error.http_status
            busy = (errors.RateLimitError, errors.ServiceUnavailableError, errors.ServerError, errors.Timeout,
                    errors.APIConnectionError, errors.TryAgain)  # fmt: skip
            if isinstance(error, busy) or status in (408, 429) or (status or 0) >= 500:
                after = retry_after((error.headers or {}).get("retry-after"))
                raise BusyError(f"status {status}: {error.user_message or error}", after) from None
            raise refused("Voyage", "VOYAGE_API_KEY", status, str(error.user_message or error)) from None
        vectors: Sequence[Sequence[float]] = answer.embeddings
        return vectors

    return Provider("Voyage", send, _TEXTS, _TOKENS)


def _session() -> Any:
    """A session for the client whose answers have at most `MOST_BYTES`, compressed or not, and lead nowhere else."""
    import requests

    class Bounded:
        def __init__(self, raw: Any) -> None:
            self._raw = raw

        def stream(self, amount: int, decode_content: bool) -> Iterator[bytes]:
            return bounded(self._raw.stream(amount, decode_content=decode_content), MOST_BYTES)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._raw, name)

    class Session(requests.Session):
        def request(self, *arguments: Any, **options: Any) -> requests.Response:
            return super().request(*arguments, **{**options, "allow_redirects": False, "stream": True})

        def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
            response = super().send(request, **options)
            response.raw = Bounded(response.raw)
            return response

    return Session()
