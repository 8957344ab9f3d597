"""Sends messages to a chat model and reads its reply, trying again where that may help."""

import logging
import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from semsearch.answering.llm.errors import (
    CONNECT_SECONDS,
    NO_KEY,
    ContextOverflowError,
    ErrorTranslator,
    LlmError,
    NoReplyError,
    get_field,
    requested_wait,
    without_login,
)
from semsearch.answering.llm.stream import OnText, Reply, read_reply
from semsearch.errors import SemsearchError, UsageError
from semsearch.http_limits import client_options, within
from semsearch.stopwatch import Stopwatch

OPENAI_URL = "https://api.openai.com/v1"
CONTEXT_WINDOW = 8192
ANSWER_TOKENS = 1024
ATTEMPTS = 3
# Most seconds a server may ask to wait before the next attempt; a longer wait is reported instead.
LONGEST_WAIT = 20.0
# An answer may take so many times the time in which a sign of the server must come.
TOTAL_TIMEOUTS = 10
# Ten times the longest answer that is kept, thoughts and what a stream wraps around each token included.
_MOST_BYTES = 16_000_000
_RETRIED = {408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529}
# Models that refuse a temperature.
_REASONING = re.compile(r"(?:openai/)?(?:o\d|gpt-[5-9])", re.IGNORECASE)

Message = dict[str, str]


@dataclass(frozen=True)
class LlmSettings:
    """Which chat model to ask and where. `base_url` None: OPENAI_BASE_URL, else OpenAI; `api_key` None: OPENAI_API_KEY.

    `timeout`: seconds without a byte from the server; the whole answer may take ten times that. `context_window`: most
    tokens of prompt and answer together; `answer_tokens` of them are kept for the answer, and sent as its limit where
    the server is not OpenAI's.
    """

    model: str
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    timeout: float = 60.0
    context_window: int = CONTEXT_WINDOW
    answer_tokens: int = ANSWER_TOKENS

    def endpoint(self) -> str:
        """The server's URL. Raises UsageError where it is not one."""
        url = (self.base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL).strip().rstrip("/")
        try:
            parts = urlsplit(url)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
            valid = valid and url.isprintable()  # httpx takes no other character
        except ValueError:
            valid = False
        if not valid:
            raise UsageError(
                f"not the address of a server: {without_login(url)}", "write it like http://127.0.0.1:8000/v1"
            )
        return url

    def key(self) -> str:
        """The API key, or a placeholder where a server other than OpenAI's has none.

        Raises LlmError where OpenAI's is missing, or a key holds characters that no key has.
        """
        key = (self.api_key or os.environ.get("OPENAI_API_KEY") or "").strip()
        if not key and self.endpoint() == OPENAI_URL:
            raise LlmError(
                "no API key for OpenAI", "set OPENAI_API_KEY, or name another server with --base-url or OPENAI_BASE_URL"
            )
        if not key.isascii() or any(not character.isprintable() or character == " " for character in key):
            raise LlmError("the API key holds characters that no key has", "set OPENAI_API_KEY to the key alone")
        return key or NO_KEY


def chat(model: LlmSettings) -> Callable[[Sequence[Message]], str]:
    """A function that sends messages to `model` and returns its reply; it may be called from several threads.

    Both raise LlmError; the returned function raises `NoReplyError` where the model does not reply to these messages.
    """
    client = LlmClient(model)

    def ask(messages: Sequence[Message]) -> str:
        try:
            return client.ask(messages, None)[0]
        except ContextOverflowError as overflow:
            failure = NoReplyError(overflow.error.message, overflow.error.hint)
        raise failure

    return ask


class LlmClient:
    """One chat endpoint: sends messages, retries what may pass, and raises every failure as an LlmError."""

    def __init__(self, model: LlmSettings) -> None:
        try:
            import openai
        except ImportError:
            openai = None
        if openai is None:
            raise SemsearchError(
                "answering with a model needs the openai package",
                "install it with: pip install 'semsearch[llm]'",
                code="llm_missing",
            )
        # They write requests, headers among them, to whatever log the process has.
        for name in ("openai", "httpx", "httpcore", "httpx2", "httpcore2"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        self._model = model
        self._url = model.endpoint()
        key = model.key()
        self._errors = ErrorTranslator(model.model, self._url, key, model.timeout, model.answer_tokens)
        self._client = openai.OpenAI(
            base_url=self._url,
            api_key=key,
            max_retries=0,  # counted here, within bounds and for more than the library retries
            timeout=openai.Timeout(model.timeout, connect=min(model.timeout, CONNECT_SECONDS)),
            http_client=openai.DefaultHttpxClient(**client_options(_MOST_BYTES)),
        )

    def ask(self, messages: Sequence[Message], on_text: OnText | None) -> Reply:
        """The reply to `messages`, streamed to `on_text` if given. Raises LlmError and ContextOverflowError."""
        watch, seconds = Stopwatch(), TOTAL_TIMEOUTS * self._model.timeout
        for attempt in range(1, ATTEMPTS + 1):
            try:
                response = within(watch, seconds, lambda: self._request(messages, stream=on_text is not None))
            except Exception as error:  # openai's, httpx's or json's, of whichever versions are installed
                wait = _wait(error, attempt)
                failure = self._errors.translate(error) if wait is None else None
            else:
                break
            # Raised here, not above: an exception in its chain would show the request with its headers.
            if failure is not None:
                raise failure
            time.sleep(wait or 0)
        try:
            return read_reply(response, on_text, self._errors, watch, seconds)
        finally:
            close = getattr(response, "close", None)
            if close is not None:
                close()

    def _request(self, messages: Sequence[Message], *, stream: bool) -> Any:
        options: dict[str, Any] = {}
        if not _REASONING.match(self._model.model):
            options["temperature"] = 0
        if self._url != OPENAI_URL:
            # OpenAI's newer models refuse this name of the limit; a local server without one may never end.
            options["max_tokens"] = self._model.answer_tokens
        return self._client.chat.completions.create(
            model=self._model.model, messages=list(messages), stream=stream, **options
        )


def _wait(error: Exception, attempt: int) -> float | None:
    """Seconds until the next attempt after `attempt`, counted from 1, failed; None when there is to be none."""
    if attempt == ATTEMPTS:
        return None
    status = getattr(error, "status_code", None)
    if status is None:
        # A connection that broke before an answer came; not one that could not be made, or took too long.
        broken = type(error.__cause__).__name__ in ("RemoteProtocolError", "ReadError", "WriteError", "CloseError")
        return 0.5 * attempt if broken else None
    if status not in _RETRIED or get_field(error, "code") == "insufficient_quota":
        return None
    asked = requested_wait(error)
    if asked is not None:
        return asked if asked <= LONGEST_WAIT else None
    return float(0.5 * 2 ** (attempt - 1))
