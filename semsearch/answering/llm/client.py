"""Sends messages to a chat model and reads its reply, trying again where that may help.

Every reply is asked for as a stream, whoever reads it: a slow model then gives a sign with each word, and the time
limit is one on silence.
"""

import logging
import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from semsearch.answering.llm.dialect import Dialect, Message
from semsearch.answering.llm.errors import (
    CONNECT_SECONDS,
    NO_KEY,
    ContextOverflowError,
    EmptyReplyError,
    ErrorTranslator,
    LlmError,
    NoReplyError,
    get_field,
    is_loading,
    requested_wait,
    without_login,
)
from semsearch.answering.llm.stream import Listener, Reply, read_reply
from semsearch.errors import SemsearchError, UsageError
from semsearch.extras import missing_package
from semsearch.http_limits import Connections, client_options, within
from semsearch.stopwatch import Stopwatch

OPENAI_URL = "https://api.openai.com/v1"
CONTEXT_WINDOW = 8192
ANSWER_TOKENS = 1024
ATTEMPTS = 3
# An answer may take so many times the time in which a sign of the server must come, and a model so many to load.
TOTAL_TIMEOUTS = 10
LOADING_TIMEOUTS = 3
# Seconds between two questions whether a model has been loaded.
_LOADING_POLL = 2.0
# Ten times the longest answer that is kept, thoughts and what a stream wraps around each token included.
_MOST_BYTES = 16_000_000
_RETRIED = {408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529}
# Models that refuse a temperature.
_REASONING = re.compile(r"(?:openai/)?(?:o\d|gpt-[5-9])", re.IGNORECASE)
# (address, model) -> what that model turned out to take. For the life of the process: a batch asks it many times.
_DIALECTS: dict[tuple[str, str], Dialect] = {}


@dataclass(frozen=True)
class LlmSettings:
    """Which chat model to ask and where. `base_url` None: OPENAI_BASE_URL, else OpenAI; `api_key` None: OPENAI_API_KEY.

    `timeout`: seconds without a byte from the server; the whole answer may take ten times that, and loading the model
    three times. `context_window`: most tokens of prompt and answer together. `answer_tokens`: most tokens of the
    answer, thoughts included; None: 1,024, or as many as the server allows where that is OpenAI's.
    """

    model: str
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    timeout: float = 60.0
    context_window: int = CONTEXT_WINDOW
    answer_tokens: int | None = None

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

    @property
    def reserved_tokens(self) -> int:
        """How many tokens of the context are kept for the answer."""
        return ANSWER_TOKENS if self.answer_tokens is None else self.answer_tokens

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
            return client.ask(messages).text
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
            raise missing_package("answering with a model", "llm", "openai") from None
        # They write requests, headers among them, to whatever log the process has.
        for name in ("openai", "httpx", "httpcore", "httpx2", "httpcore2"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        self._model = model
        self._url = model.endpoint()
        key = model.key()
        limit = model.answer_tokens
        if limit is None and self._url != OPENAI_URL:
            limit = ANSWER_TOKENS  # a local server without a limit may never end
        self._answer_tokens = limit
        self._place = self._url, model.model
        self._errors = ErrorTranslator(model.model, self._url, key, model.timeout, limit)
        self._connections = Connections()
        self._client = openai.OpenAI(
            base_url=self._url,
            api_key=key,
            max_retries=0,  # counted here, within bounds and for more than the library retries
            timeout=openai.Timeout(model.timeout, connect=min(model.timeout, CONNECT_SECONDS)),
            http_client=openai.DefaultHttpxClient(**client_options(_MOST_BYTES, self._connections)),
        )

    def ask(self, messages: Sequence[Message], listener: Listener | None = None) -> Reply:
        """The reply to `messages`; `listener` is told of it as it comes. Raises LlmError and ContextOverflowError."""
        listener = listener or Listener()
        try:
            return self._ask(messages, listener)
        except EmptyReplyError as empty:
            if not self._dialect.stream:
                raise
            failure = empty
        # Some servers stream nothing of what they send whole.
        streaming = self._dialect
        _DIALECTS[self._place] = replace(streaming, stream=False)
        try:
            return self._ask(messages, listener)
        except SemsearchError:
            _DIALECTS[self._place] = streaming
        raise failure

    def _ask(self, messages: Sequence[Message], listener: Listener) -> Reply:
        patience = _Patience(self._model.timeout, self._errors, listener)
        while True:
            watch, seconds = Stopwatch(), TOTAL_TIMEOUTS * self._model.timeout
            dialect = self._dialect
            failure: LlmError | None = None
            wait: float | None = None
            # Before the stack closes the reply, which ends no read.
            with ExitStack() as replies, self._connections.cut_where_abandoned():
                try:
                    request = self._request(dialect, messages)
                    # Within the time, as a server may also be slow to send its headers.
                    response = within(watch, seconds, partial(replies.enter_context, request))
                except Exception as error:  # openai's, httpx's or json's, of whichever versions are installed
                    wait = self._adapted(dialect, error)
                    if wait is None:
                        wait = patience.wait(error)
                    if wait is None:
                        failure = self._errors.translate(error)
                else:
                    return read_reply(response.http_response.iter_bytes, listener, self._errors, watch, seconds)
            # Raised here, not above: an exception in its chain would show the request with its headers.
            if failure is not None:
                raise failure
            time.sleep(wait or 0)

    @property
    def _dialect(self) -> Dialect:
        """What the model is known to take, or what most do."""
        limits = ("max_completion_tokens", "max_tokens") if self._url == OPENAI_URL else Dialect.limits
        temperature = None if _REASONING.match(self._model.model) else 0.0
        return _DIALECTS.get(self._place, Dialect(limits, temperature))

    def _adapted(self, dialect: Dialect, error: Exception) -> float | None:
        """0.0 where another request is worth trying, as the server refused a part of `dialect`; else None."""
        status = getattr(error, "status_code", None)
        if not isinstance(status, int) or self._errors.overflows(error):
            return None
        other = dialect.after_refusal(status, getattr(error, "body", None))
        if other is None:
            return None
        _DIALECTS[self._place] = other
        return 0.0

    def _request(self, dialect: Dialect, messages: Sequence[Message]) -> Any:
        return self._client.chat.completions.with_streaming_response.create(
            model=self._model.model, **dialect.request(messages, self._answer_tokens)
        )


class _Patience:
    """How long a server is waited for that cannot answer now; `listener` is told what it is waited for."""

    def __init__(self, timeout: float, errors: ErrorTranslator, listener: Listener) -> None:
        self._timeout = timeout
        self._errors = errors
        self._listener = listener
        self._attempts = 0
        self._loading: Stopwatch | None = None

    def wait(self, error: Exception) -> float | None:
        """Seconds until the next attempt after `error`; None when there is to be none."""
        status = getattr(error, "status_code", None)
        if is_loading(error):
            return self._wait_for_loading(error)
        self._attempts += 1
        if self._attempts >= ATTEMPTS:
            return None
        if status is None:
            # A connection that broke before an answer came; not one that could not be made, or took too long.
            broken = type(error.__cause__).__name__ in ("RemoteProtocolError", "ReadError", "WriteError", "CloseError")
            return 0.5 * self._attempts if broken else None
        if status not in _RETRIED or get_field(error, "code") == "insufficient_quota":
            return None
        asked = requested_wait(error)
        if asked is None:
            return float(0.5 * 2 ** (self._attempts - 1))
        if asked > self._timeout:
            return None
        what = "takes no more requests for now" if status == 429 else f"cannot answer now ({status})"
        self._tell(f"{self._errors.shown_url} {what}: asking again in {asked:.0f} s, as it wishes")
        return asked

    def _wait_for_loading(self, error: Exception) -> float | None:
        most = LOADING_TIMEOUTS * self._timeout
        if self._loading is None:
            # Looked at once a poll, and a request may take as long as the limit on silence.
            self._loading = Stopwatch(longest_gap=_LOADING_POLL + self._timeout)
            self._tell(f"{self._errors.shown_url} is loading {self._errors.model}: waiting for it, up to {most:g} s")
        left = most - self._loading.seconds()
        return max(1.0, min(requested_wait(error) or _LOADING_POLL, left)) if left > 0 else None

    def _tell(self, message: str) -> None:
        if self._listener.on_wait is not None:
            self._listener.on_wait(message)
