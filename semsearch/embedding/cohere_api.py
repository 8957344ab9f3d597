"""Sends texts to Cohere's embed API, version 2."""

import os
from collections.abc import Sequence
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
from semsearch.http_limits import client_options

# Texts in one request (Cohere, API reference, "Embed").
_TEXTS = 96
_TOKENS = 100_000
_SECONDS = 60.0


def connect(card: ModelCard, dim: int | None) -> Provider:
    """The Provider of `card`; `dim`: the length of vectors to ask for. Raises `ModelError`."""
    try:
        import cohere
        import httpx
        from cohere.core.api_error import ApiError
    except ImportError:
        raise missing_client("cohere", "cohere") from None
    key = required_key("Cohere", "CO_API_KEY", "COHERE_API_KEY")
    client = cohere.ClientV2(
        key,
        base_url=os.environ.get("CO_API_URL") or None,
        timeout=_SECONDS,
        log_warning_experimental_features=False,
        httpx_client=httpx.Client(timeout=_SECONDS, **client_options(MOST_BYTES)),
    )

    def send(texts: Sequence[str], query: bool) -> Sequence[Sequence[float]]:
        more: dict[str, Any] = {"output_dimension": dim} if dim else {}
        try:
            answer = client.embed(
                model=card.model_id,
                texts=list(texts),
                input_type="search_query" if query else "search_document",
                embedding_types=["float"],
                truncate="END",  # chunks are measured to fit; a query may be longer
                request_options={"max_retries": 0},
                **more,
            )
        except ApiError as error:
            message = error.body.get("message") if isinstance(error.body, dict) else error.body
            status = error.status_code or 0
            if status in (408, 409, 429, 498) or status >= 500:
                after = retry_after((error.headers or {}).get("retry-after"))
                raise BusyError(f"status {status}: {message}", after) from None
            raise refused("Cohere", "CO_API_KEY", error.status_code, str(message)) from None
        except httpx.HTTPError as error:
            raise BusyError(f"no connection: {error}") from None
        return answer.embeddings.float_ or []

    return Provider("Cohere", send, _TEXTS, _TOKENS)
