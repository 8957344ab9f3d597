"""Question + Hits -> an answer written by a chat model behind an OpenAI-compatible server, every sentence checked.

Owns what can go wrong on the way: each failure is one LlmError that says what to do, and none holds the API key.
"""

import contextlib
import logging
import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from semsearch.answering.answer import Answer
from semsearch.answering.citations import check
from semsearch.answering.prompt import ANSWER_TOKENS, CONTEXT_WINDOW, Count, Prompt, build_prompt, halved
from semsearch.answering.support import Similarity
from semsearch.errors import SemsearchError, UsageError
from semsearch.retrieval.hit import Hit

OPENAI_URL = "https://api.openai.com/v1"
ATTEMPTS = 3
# Most seconds a server may ask to wait before the next attempt; who asks for more is reported instead.
LONGEST_WAIT = 20.0
_CONNECT_SECONDS = 10.0
_NO_KEY = "none"  # local servers ask for no key, the client library for some text
_RETRIED = {408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529}
_OVERFLOW = re.compile(
    r"context_length_exceeded|context (?:length|size|window)|maximum (?:context|sequence|input)|too many tokens"
    r"|(?:prompt|input|request) (?:is )?too (?:long|large)|exceeds? .{0,40}context|n_ctx|max_model_len",
    re.IGNORECASE,
)
_REASONING = re.compile(r"(?:openai/)?(?:o\d|gpt-[5-9])", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_KEY_LIKE = re.compile(r"\b(?:sk|pk|key|gsk|xai)-[\w*.…-]{4,}|(?<=Bearer )\S+", re.IGNORECASE)
_MARKUP = re.compile(r"\s*<(?:!doctype|html|\?xml|head|body)", re.IGNORECASE)
_THINK, _THOUGHT = "<think>", "</think>"
_REPLACEMENT = "\ufffd"


class LlmError(SemsearchError):
    """The model gave no answer. What retrieval found stands all the same."""

    code = "llm"


class NoReplyError(LlmError):
    """The server works, but the model says nothing to this: it refused, or the text is too long for it."""


@dataclass(frozen=True)
class LlmSettings:
    """Which model to ask and where. `base_url` None: OPENAI_BASE_URL, else OpenAI; `api_key` None: OPENAI_API_KEY.

    `timeout`: seconds without a byte from the server. `context_window`: tokens of question, sources and answer;
    `answer_tokens` of them are kept for the answer, and asked for as its limit where the server is not OpenAI's.
    """

    model: str
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    timeout: float = 60.0
    context_window: int = CONTEXT_WINDOW
    answer_tokens: int = ANSWER_TOKENS

    def endpoint(self) -> str:
        """The server's address. Raises UsageError when it is none."""
        url = (self.base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL).strip().rstrip("/")
        try:
            parts = urlsplit(url)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            valid = False
        if not valid:
            raise UsageError(
                f"not the address of a server: {_without_login(url)}", "write it like http://127.0.0.1:8000/v1"
            )
        return url

    def key(self) -> str:
        """The API key, a placeholder for a named server without one. Raises LlmError when OpenAI's is missing."""
        key = (self.api_key or os.environ.get("OPENAI_API_KEY") or "").strip()
        if not key and self.endpoint() == OPENAI_URL:
            raise LlmError(
                "no API key for OpenAI", "set OPENAI_API_KEY, or name another server with --base-url or OPENAI_BASE_URL"
            )
        if not key.isascii() or any(not character.isprintable() or character == " " for character in key):
            raise LlmError("the API key holds characters that no key has", "set OPENAI_API_KEY to the key alone")
        return key or _NO_KEY


def answer_with_llm(
    question: str,
    hits: Sequence[Hit],
    model: LlmSettings,
    on_text: Callable[[str], None] | None = None,
    *,
    count: Count | None = None,
    similarity: Similarity | None = None,
) -> Answer:
    """The answer of `model` to `question` from `hits`, best first, its citations checked against them.

    `on_text` is handed the text as it comes (streaming); without it the answer comes whole. `count` measures text in
    the embedder's tokens, for models tiktoken does not know; `similarity` is the cosine of two sentences, where words
    fail the citation check. Without hits no model is asked. Raises LlmError, and UsageError for a question too long.
    """
    if not hits:
        return Answer(question, "", False, None, (), ())
    server = _Server(model)
    prompt = _prompt(question, hits, model, count)
    reply: Reply | None = None
    failure: LlmError | None = None
    with contextlib.suppress(_Overflow):
        reply = server.ask(prompt, on_text)
    if reply is None:
        fewer = list(prompt.sources[: len(prompt.sources) // 2]) or [halved(prompt.sources[0])]
        prompt = _prompt(question, fewer, model, count)
        prompt = Prompt(
            prompt.messages,
            prompt.sources,
            prompt.tokens,
            (f"the sources overflowed the context of {model.model}: asked again with half of them", *prompt.notices),
        )
        try:
            reply = server.ask(prompt, on_text)
        except _Overflow as overflow:
            failure = overflow.error
    if reply is None:
        raise failure or LlmError(f"{model.model} gave no answer")
    text, notices = reply
    checked = check(text, prompt.sources, similarity)
    if checked.invalid:
        names = ", ".join(f"[{n}]" for n in checked.invalid)
        notices = (*notices, f"the answer cites sources that do not exist: {names}")
    return Answer(
        question,
        text,
        checked.answered,
        model.model,
        checked.citations,
        prompt.sources,
        checked.unsupported,
        (*prompt.notices, *notices),
    )


Reply = tuple[str, tuple[str, ...]]  # the text, and notices


def chat(model: LlmSettings) -> Callable[[Sequence[dict[str, str]]], str]:
    """A function that sends messages to `model` and returns its reply; it may be called from several threads.

    Raises LlmError, also when called: `NoReplyError` where the model has nothing to say.
    """
    server = _Server(model)

    def ask(messages: Sequence[dict[str, str]]) -> str:
        try:
            return server.ask(Prompt(tuple(messages), (), 0), None)[0]
        except _Overflow as overflow:
            failure = NoReplyError(overflow.error.message, overflow.error.hint)
        raise failure

    return ask


class _Overflow(Exception):
    """The server says that the prompt is too long for the model. Never leaves this module."""

    def __init__(self, error: LlmError) -> None:
        super().__init__(error.message)
        self.error = error


def _prompt(question: str, hits: Sequence[Hit], model: LlmSettings, count: Count | None) -> Prompt:
    return build_prompt(
        question, hits, model.model, context_window=model.context_window, reserve=model.answer_tokens, count=count
    )


class _Server:
    """One chat endpoint: sends a prompt, retries what may pass, and turns every failure into one LlmError."""

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
        self.model = model
        self.url = model.endpoint()
        self.key = model.key()
        self.shown = _without_login(self.url)
        self.client = openai.OpenAI(
            base_url=self.url,
            api_key=self.key,
            max_retries=0,  # counted here, within bounds and for more than the library retries
            timeout=openai.Timeout(model.timeout, connect=min(model.timeout, _CONNECT_SECONDS)),
        )

    def ask(self, prompt: Prompt, on_text: Callable[[str], None] | None) -> Reply:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                response = self._request(prompt, stream=on_text is not None)
            except Exception as error:  # openai's, httpx's or json's, of whichever versions are installed
                wait = self._wait(error, attempt)
                failure = self._failure(error) if wait is None else None
            else:
                break
            # Raised here, not above: an exception in its chain would show the request with its headers.
            if failure is not None:
                raise failure
            time.sleep(wait or 0)
        try:
            return self._read(response, on_text)
        finally:
            close = getattr(response, "close", None)
            if close is not None:
                close()

    def _request(self, prompt: Prompt, *, stream: bool) -> Any:
        options: dict[str, Any] = {}
        if not _REASONING.match(self.model.model):
            options["temperature"] = 0
        if self.url != OPENAI_URL:
            # OpenAI's newer models refuse this name of the limit; a local server without one may never end.
            options["max_tokens"] = self.model.answer_tokens
        return self.client.chat.completions.create(
            model=self.model.model, messages=list(prompt.messages), stream=stream, **options
        )

    def _read(self, response: Any, on_text: Callable[[str], None] | None) -> Reply:
        if on_text is None:
            return self._whole(response)
        kind = response.response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "text/event-stream":
            try:
                body = response.response.read()
                # A server that cannot stream answers whole.
                record = _json(body)
            except Exception as error:  # httpx's, while reading the body
                failure: LlmError | None = self._failure(error)
            else:
                failure = None
            if failure is not None:
                raise failure
            text, notices = self._whole(record if isinstance(record, dict) else body.decode("utf-8", "replace"))
            on_text(text)
            return text, notices
        return self._streamed(response, on_text)

    def _streamed(self, stream: Any, on_text: Callable[[str], None]) -> Reply:
        cleaner = _Cleaner()
        parts: list[str] = []
        finish: str | None = None
        refused = ""
        failure: LlmError | None = None
        chunks = iter(stream)
        while True:
            try:
                chunk = next(chunks, None)
            except Exception as error:  # a broken connection, a timeout or bytes that are no JSON
                failure = self._failure(error)
                break
            if chunk is None:
                break
            choice = _first(_get(chunk, "choices"))
            delta = _get(choice, "delta")
            content, refusal = _get(delta, "content"), _get(delta, "refusal")
            refused += refusal if isinstance(refusal, str) else ""
            reason = _get(choice, "finish_reason")
            finish = reason if isinstance(reason, str) else finish
            if isinstance(content, str):
                self._hand_over(cleaner.feed(content), parts, on_text)
        self._hand_over(cleaner.end(), parts, on_text)
        text = "".join(parts).strip()
        if not text:
            raise failure if failure is not None else self._empty(finish, refused, cleaner.thinking)
        if failure is not None:
            return text, (f"the answer is incomplete: {failure.message}",)
        if finish is None:
            return text, (f"the answer may be incomplete: {self.shown} ended it without saying so",)
        return text, _finish_notices(finish)

    @staticmethod
    def _hand_over(text: str, parts: list[str], on_text: Callable[[str], None]) -> None:
        if not parts:
            text = text.lstrip()
        if text:
            parts.append(text)
            on_text(text)

    def _whole(self, completion: Any) -> Reply:
        if isinstance(completion, str | bytes) or completion is None:
            raise self._no_completion(str(completion or ""))
        if (error := _get(completion, "error")) and not _get(completion, "choices"):
            raise self._error(f"{self.shown} reports an error: {self._said(error)}", "see the log of the server")
        choice = _first(_get(completion, "choices"))
        message = _get(choice, "message")
        content = _get(message, "content")
        finish = _get(choice, "finish_reason")
        refused = _get(message, "refusal")
        cleaner = _Cleaner()
        text = (cleaner.feed(content) + cleaner.end()).strip() if isinstance(content, str) else ""
        if not text:
            raise self._empty(finish, refused if isinstance(refused, str) else "", cleaner.thinking)
        return text, _finish_notices(finish)

    def _empty(self, finish: str | None, refused: str, thinking: bool) -> NoReplyError:
        if refused:
            return self._silence(f"{self.model.model} refused to answer: {self._said(refused)}", "ask in other words")
        if finish == "length" or thinking:
            return self._silence(
                f"{self.model.model} used up its {self.model.answer_tokens} tokens before it said anything",
                "allow it a longer answer, or ask a model that thinks less",
            )
        if finish == "content_filter":
            return self._silence(f"a content filter of {self.shown} held the answer back", "ask in other words")
        return self._silence(f"{self.shown} sent an answer without text", "ask again, or try another model")

    def _no_completion(self, body: str) -> LlmError:
        what = "a web page" if _MARKUP.match(body) else "something that is no chat completion"
        return self._error(f"{self.shown} answered with {what}", "check --base-url: for most servers it ends in /v1")

    def _wait(self, error: Exception, attempt: int) -> float | None:
        """Seconds until the next attempt; None when there is to be none."""
        if attempt == ATTEMPTS:
            return None
        status = getattr(error, "status_code", None)
        if status is None:
            # A connection that broke before an answer came; not one that could not be made, or took too long.
            broken = type(error.__cause__).__name__ in ("RemoteProtocolError", "ReadError", "WriteError", "CloseError")
            return 0.5 * attempt if broken else None
        if status not in _RETRIED or _get(error, "code") == "insufficient_quota":
            return None
        asked = _retry_after(error)
        if asked is not None:
            return asked if asked <= LONGEST_WAIT else None
        return float(0.5 * 2 ** (attempt - 1))

    def _failure(self, error: Exception) -> LlmError:
        """The LlmError for what openai or httpx raised. Raises _Overflow when half of the sources might do."""
        model, shown = self.model.model, self.shown
        names = {cause.__name__ for cause in type(error).__mro__} | {
            cause.__name__ for cause in type(error.__cause__).__mro__
        }
        status = getattr(error, "status_code", None)
        if isinstance(status, int) and status >= 300:
            return self._status(status, error)
        if "ConnectTimeout" in names:
            return self._error(f"no connection to {shown} within {min(self.model.timeout, _CONNECT_SECONDS):g} s",
                               "check that the server runs and can be reached")  # fmt: skip
        if "APITimeoutError" in names or "TimeoutException" in names:
            return self._error(f"{shown} sent nothing for {self.model.timeout:g} s",
                               "wait for the model to load and ask again, or allow a longer timeout")  # fmt: skip
        if "ConnectError" in names:
            return self._unreachable(error)
        if names & {"RemoteProtocolError", "ReadError", "WriteError", "CloseError", "ProtocolError"}:
            return self._error(f"the connection to {shown} broke off", "ask again; see the log of the server")
        if names & {"JSONDecodeError", "APIResponseValidationError", "ValidationError", "UnicodeDecodeError"}:
            body = getattr(error, "body", None) or getattr(error, "doc", "")
            return self._no_completion(body if isinstance(body, str) else "")
        if "APIConnectionError" in names:
            return self._error(f"no answer from {shown} ({type(error.__cause__ or error).__name__})",
                               "check --base-url and the network")  # fmt: skip
        said = self._said(getattr(error, "body", None) or str(error))
        if _OVERFLOW.search(said):
            raise _Overflow(self._too_long(said)) from None
        return self._error(f"{model} at {shown} failed: {said or type(error).__name__}", "see the log of the server")

    def _status(self, status: int, error: Exception) -> LlmError:
        model, shown = self.model.model, self.shown
        body = getattr(error, "body", None)
        said = self._said(body) if body is not None else ""
        tail = f": {said}" if said else ""
        overflow = _get(error, "code") == "context_length_exceeded" or (_OVERFLOW.search(said) and status in (400, 422))
        if status == 413 or overflow:
            raise _Overflow(self._too_long(said)) from None
        if status in (401, 403):
            hint = "check OPENAI_API_KEY" if self.key != _NO_KEY else "set OPENAI_API_KEY"
            return self._error(f"{shown} does not accept the API key ({status}){tail}", hint)
        if status == 404:
            return self._error(f"{shown} knows no model {model}, or is no such server (404){tail}",
                               "check the model's name, and that --base-url ends in /v1")  # fmt: skip
        if status == 429:
            if _get(error, "code") == "insufficient_quota":
                return self._error(
                    f"the account at {shown} has no quota left (429){tail}", "check its plan and billing"
                )
            asked = _retry_after(error)
            when = f"wait {asked:.0f} s and ask again" if asked else "wait a while and ask again"
            return self._error(f"{shown} takes no more requests for now (429){tail}", when)
        if status >= 500:
            return self._error(f"{shown} failed ({status}){tail}", "ask again later; see the log of the server")
        return self._error(f"{shown} refused the request ({status}){tail}", "check the model's name and --base-url")

    def _unreachable(self, error: Exception) -> LlmError:
        causes: list[str] = []
        cause: BaseException | None = error
        while cause is not None and len(causes) < 8:
            causes.append(str(cause).lower())
            cause = cause.__cause__ or cause.__context__
        told = " ".join(causes)
        host = urlsplit(self.url).hostname or ""
        if any(
            word in told for word in ("name or service", "getaddrinfo", "name resolution", "nodename", "no address")
        ):
            return self._error(f"no server is called {host}", "check --base-url and the network")
        if "certificate" in told or "ssl" in told:
            return self._error(f"no secure connection to {self.shown}", "check its certificate, or http v https")
        if "refused" in told:
            return self._error(f"nothing listens at {self.shown}", "start the server, or check --base-url")
        return self._error(f"no connection to {self.shown}", "check --base-url, the network and its proxy")

    def _too_long(self, said: str) -> LlmError:
        return self._error(
            f"the sources do not fit into the context of {self.model.model}" + (f": {said}" if said else ""),
            "ask with fewer passages (-k), or set the model's real context window",
        )

    def _error(self, message: str, hint: str) -> LlmError:
        return LlmError(self._clean(message), self._clean(hint))

    def _silence(self, message: str, hint: str) -> NoReplyError:
        return NoReplyError(self._clean(message), self._clean(hint))

    def _said(self, body: object) -> str:
        """What an error body says, on one line and short, without the key."""
        if isinstance(body, dict):
            inner = body.get("error", body)
            body = inner.get("message") or inner.get("detail") if isinstance(inner, dict) else inner
        if not isinstance(body, str) or _MARKUP.match(body):
            return ""
        # Cleaned before it is cut: half a key would no longer be found.
        said = self._clean(body).rstrip(".")
        return said if len(said) <= 200 else said[:199] + "…"

    def _clean(self, text: str) -> str:
        """`text` on one line, without control characters and whatever is, or looks like, a key."""
        if self.key != _NO_KEY:
            text = text.replace(self.key, "[key]")
        text = _KEY_LIKE.sub("[key]", text)
        return " ".join(_CONTROL.sub(" ", text).encode("utf-8", "replace").decode().split())


class _Cleaner:
    """Text as it comes -> text fit to be shown: no control characters, no lone surrogates, no leading <think> part."""

    def __init__(self) -> None:
        self._held = ""
        self._begun = False
        self.thinking = False

    def feed(self, text: str) -> str:
        text = self._held + text
        self._held = ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._held = text[:-1], text[-1]  # its other half comes next
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        text = _CONTROL.sub("", text)
        if not self._begun:
            opening = text.lstrip()
            if len(opening) < len(_THINK) and _THINK.startswith(opening):
                self._held = text + self._held
                return ""
            self._begun = True
            self.thinking = opening.startswith(_THINK)
        if self.thinking:
            _, closed, rest = text.partition(_THOUGHT)
            if not closed:
                self._held = text[-len(_THOUGHT) :] + self._held
                return ""
            self.thinking = False
            return rest
        return text

    def end(self) -> str:
        held, self._held = self._held, ""
        if self.thinking:
            return ""
        return _CONTROL.sub("", held).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _finish_notices(finish: object) -> tuple[str, ...]:
    if finish == "length":
        return ("the answer is incomplete: the model reached its limit of tokens",)
    if finish == "content_filter":
        return ("the answer is incomplete: a content filter of the server cut it",)
    return ()


def _retry_after(error: Exception) -> float | None:
    """Seconds the server asks to wait: a number or an HTTP date; None when it does not say."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    value = str(headers.get("retry-after", "")).strip()
    if re.fullmatch(r"\d+(?:\.\d+)?", value):
        return float(value)
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time()) if value else None
    except (ValueError, TypeError, OverflowError):
        return None


def _get(record: Any, name: str) -> Any:
    """A field of a JSON object or of openai's object for it; None where a server left it out."""
    return record.get(name) if isinstance(record, dict) else getattr(record, name, None)


def _first(choices: Any) -> Any:
    return choices[0] if isinstance(choices, list) and choices else None


def _json(body: bytes) -> object:
    import json

    try:
        record: object = json.loads(body)
    except ValueError:
        return None
    return record


def _without_login(url: str) -> str:
    """`url` as it may be shown: without user, password and query, where keys are put too."""
    return re.sub(r"//[^/@]*@", "//", url).partition("?")[0]
