"""Sends texts to OpenAI's embeddings API, or to servers that speak it: Jina's, and any at OPENAI_BASE_URL."""

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
from semsearch.http_limits import TooLongError, client_options

_JINA_URL = "https://api.jina.ai/v1"
# Most texts in one request is 2,048, most tokens 300,000 (OpenAI, API reference, "Create embeddings"); smaller requests
# lose less when one fails.
_TEXTS = 128
_TOKENS = 200_000
_SECONDS = 60.0


def connect(card: ModelCard, dim: int | None) -> Provider:
    """The Provider of `card`, of kind `openai` or `jina`; `dim`: the length to ask for. Raises `ModelError`."""
    try:
        import openai
    except ImportError:
        raise missing_client("openai", "openai") from None
    jina = card.kind == "jina"
    shown, variable = ("Jina", "JINA_API_KEY") if jina else ("OpenAI", "OPENAI_API_KEY")
    if jina:
        url = os.environ.get("JINA_BASE_URL") or _JINA_URL
        key = required_key(shown, variable)
    else:
        from semsearch.settings import base_url

        url = base_url() or "https://api.openai.com/v1"
        # A local server asks for none; the client wants some.
        key = os.environ.get(variable, "").strip() or "none" if base_url() else required_key(shown, variable)
    http = openai.DefaultHttpxClient(**client_options(MOST_BYTES))
    client = openai.OpenAI(api_key=key, base_url=url, timeout=_SECONDS, max_retries=0, http_client=http)

    def send(texts: Sequence[str], query: bool) -> Sequence[Sequence[float]]:
        more: dict[str, Any] = {"dimensions": dim} if dim else {}
        task = card.query_task if query else card.passage_task
        if task:
            more["extra_body"] = {"task": task}
        try:
            # Floats: some servers do not know the client's default, base64.
            answer = client.embeddings.create(model=card.model_id, input=list(texts), encoding_format="float", **more)
        except openai.APIConnectionError as error:  # and timeouts
            if isinstance(error.__cause__, TooLongError):
                raise error.__cause__ from None
            raise BusyError(f"no connection to {client.base_url.host}: {error.__cause__ or error}") from None
        except openai.APIStatusError as error:
            code = (error.body or {}).get("code") if isinstance(error.body, dict) else None
            busy = error.status_code in (408, 409, 429) or error.status_code >= 500
            if busy and code != "insufficient_quota":
                after = retry_after(error.response.headers.get("retry-after"))
                raise BusyError(f"status {error.status_code}: {error.message}", after) from None
            raise refused(shown, variable, error.status_code, error.message) from None
        except openai.OpenAIError as error:
            raise refused(shown, variable, None, str(error)) from None
        rows = answer.data or []
        return [row.embedding for row in sorted(rows, key=lambda row: row.index or 0)]

    return Provider(shown, send, _TEXTS, _TOKENS)
