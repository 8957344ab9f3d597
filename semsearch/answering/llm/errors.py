"""What can go wrong with a chat server, each as one LlmError that says what to do; none ever holds the API key."""

import re
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from semsearch.errors import SemsearchError

NO_KEY = "none"  # local servers ask for no key, the client library for some text
CONNECT_SECONDS = 10.0
# Of an error's body, this is looked at.
_LOOKED_AT = 10_000
_OVERFLOW = re.compile(
    r"context_length_exceeded|context (?:length|size|window)|maximum (?:context|sequence|input)|too many tokens"
    r"|(?:prompt|input|request) (?:is )?too (?:long|large)|exceeds? .{0,40}context|n_ctx|max_model_len",
    re.IGNORECASE,
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_KEY_LIKE = re.compile(r"\b(?:sk|pk|key|gsk|xai)-[\w*.…-]{4,}|(?<=Bearer )\S+", re.IGNORECASE)
_WINDOW = re.compile(
    r"(?:context (?:length|size|window) (?:is|of) |context size \(|n_ctx\D{1,4}|limit:? )(\d[\d,]{2,8})", re.IGNORECASE
)
_LOADING = re.compile(
    r"\bloading\b.{0,40}\bmodel|\bmodel\b.{0,200}\b(?:is|still|being|currently)\b.{0,30}\bload|warming up|starting up"
    r"|not (?:yet )?ready",
    re.IGNORECASE | re.DOTALL,
)
_MARKUP = re.compile(r"\s*<(?:!doctype|html|\?xml|head|body)", re.IGNORECASE)


class LlmError(SemsearchError):
    """The model gave no answer. The passages that were retrieved are valid all the same."""

    code = "llm"


class NoReplyError(LlmError):
    """The server works, but the model does not reply to this prompt: it refused, or the prompt is too long for it."""


class EmptyReplyError(NoReplyError):
    """The reply holds nothing at all, and says nothing of why."""


class ContextOverflowError(Exception):
    """The server says that the prompt is too long for the model.

    `error` is what to tell the user in the end; `window`: how many tokens the model can take, None where that is not
    told.
    """

    def __init__(self, error: LlmError, window: int | None) -> None:
        super().__init__(error.message)
        self.error = error
        self.window = window


@dataclass(frozen=True)
class ErrorTranslator:
    """Turns what goes wrong at one server into LlmErrors.

    `model`: its name; `url`: of the server, which may hold a password; `key`: the API key, or `NO_KEY`; `timeout`:
    seconds; `answer_tokens`: most tokens of an answer, None: as many as the server allows.
    """

    model: str
    url: str
    key: str = field(repr=False)
    timeout: float
    answer_tokens: int | None

    @property
    def shown_url(self) -> str:
        return without_login(self.url)

    def translate(self, error: Exception) -> LlmError:
        """The LlmError for an exception of openai, httpx or json. Raises ContextOverflowError for a prompt too long."""
        model, shown = self.model, self.shown_url
        names = {cause.__name__ for cause in type(error).__mro__} | {
            cause.__name__ for cause in type(error.__cause__).__mro__
        }
        if "TooLongError" in names:
            return self.error(f"{shown} sends more than any answer has, or sends it compressed",
                               "see the log of the server, and ask another one")  # fmt: skip
        if "TooSlowError" in names:
            return self.error(f"{shown} did not end its answer in {10 * self.timeout:g} s",
                               "ask a faster model, or wait longer with --timeout")  # fmt: skip
        status = getattr(error, "status_code", None)
        if isinstance(status, int) and status >= 300:
            return self._status(status, error)
        if "ConnectTimeout" in names:
            return self.error(f"no connection to {shown} within {min(self.timeout, CONNECT_SECONDS):g} s",
                               "check that the server runs and can be reached")  # fmt: skip
        if "APITimeoutError" in names or "TimeoutException" in names:
            return self.error(f"{shown} sent nothing for {self.timeout:g} s",
                               "wait for the model to load and ask again, or wait longer with --timeout")  # fmt: skip
        if "ConnectError" in names:
            return self._unreachable(error)
        if names & {"RemoteProtocolError", "ReadError", "WriteError", "CloseError", "ProtocolError"}:
            return self.error(f"the connection to {shown} broke off", "ask again; see the log of the server")
        # Numbers of thousands of digits and lists in lists in lists are JSON, and cannot be read.
        if names & {"ValueError", "RecursionError", "APIResponseValidationError"}:
            body = getattr(error, "body", None) or getattr(error, "doc", "")
            return self.no_completion(body if isinstance(body, str) else "")
        if "APIConnectionError" in names:
            return self.error(f"no answer from {shown} ({type(error.__cause__ or error).__name__})",
                               "check --base-url and the network")  # fmt: skip
        said = self.excerpt(getattr(error, "body", None) or str(error))
        if _OVERFLOW.search(said):
            raise self._overflow(said, getattr(error, "body", None)) from None
        return self.error(f"{model} at {shown} failed: {said or type(error).__name__}", "see the log of the server")

    def _status(self, status: int, error: Exception) -> LlmError:
        model, shown = self.model, self.shown_url
        body = getattr(error, "body", None)
        said = self.excerpt(body) if body is not None else ""
        tail = f": {said}" if said else ""
        code = get_field(error, "code")
        if self.overflows(error):
            raise self._overflow(said, body) from None
        if status < 400:
            return self.error(f"{shown} sends on to another address ({status})",
                               "name that address in --base-url, if you trust it")  # fmt: skip
        if status in (401, 403):
            hint = "check OPENAI_API_KEY" if self.key != NO_KEY else "set OPENAI_API_KEY"
            return self.error(f"{shown} does not accept the API key ({status}){tail}", hint)
        if status == 404:
            return self.error(f"{shown} knows no model {model}, or is no such server (404){tail}",
                               "check the model's name, and that --base-url ends in /v1")  # fmt: skip
        if status == 429:
            if code == "insufficient_quota":
                return self.error(f"the account at {shown} has no quota left (429){tail}", "check its plan and billing")
            asked = requested_wait(error)
            when = f"wait {asked:.0f} s and ask again" if asked else "wait a while and ask again"
            return self.error(f"{shown} takes no more requests for now (429){tail}", when)
        if is_loading(error):
            return self.error(f"{shown} is still loading {model} ({status}){tail}",
                               "ask again when it has, or wait longer with --timeout")  # fmt: skip
        if status >= 500:
            return self.error(f"{shown} failed ({status}){tail}", "ask again later; see the log of the server")
        return self.error(f"{shown} refused the request ({status}){tail}", "check the model's name and --base-url")

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
            return self.error(f"no server is called {host}", "check --base-url and the network")
        if "certificate" in told or "ssl" in told:
            return self.error(f"no secure connection to {self.shown_url}", "check its certificate, or http v https")
        if "refused" in told:
            return self.error(f"nothing listens at {self.shown_url}", "start the server, or check --base-url")
        return self.error(f"no connection to {self.shown_url}", "check --base-url, the network and its proxy")

    def _too_long(self, said: str) -> LlmError:
        return self.error(
            f"the sources do not fit into the context of {self.model}" + (f": {said}" if said else ""),
            "ask with fewer passages (-k), or name the model's real --context-window",
        )

    def overflows(self, error: Exception) -> bool:
        """Whether the server refused a request because it is too long."""
        status, body = getattr(error, "status_code", None), getattr(error, "body", None)
        said = self.excerpt(body) if body is not None else ""
        told = get_field(error, "code") == "context_length_exceeded" or _OVERFLOW.search(said)
        return status == 413 or bool(told and status in (400, 422, 500))

    def _overflow(self, said: str, body: object) -> ContextOverflowError:
        inner = get_field(body, "error") or body
        told = get_field(inner, "n_ctx")
        window = told if isinstance(told, int) else None
        if window is None and (match := _WINDOW.search(said)):
            window = int(match.group(1).replace(",", ""))
        return ContextOverflowError(self._too_long(said), window)

    def empty_reply(
        self, finish: str | None, *, refused: str, thought: bool, unfinished: bool, calls: bool
    ) -> NoReplyError:
        """For a reply without text.

        `finish` is its finish reason, `refused` the model's refusal; `thought`: the model told its thoughts;
        `unfinished`: the reply ended within them; `calls`: it called a tool.
        """
        if refused:
            return self._no_reply(f"{self.model} refused to answer: {self.excerpt(refused)}", "ask in other words")
        if finish in ("length", "max_tokens") or unfinished:
            most = f"its {self.answer_tokens:,} tokens" if self.answer_tokens else "all of its tokens"
            return self._no_reply(
                f"{self.model} used up {most} for thinking, before it said anything" if thought or unfinished
                else f"{self.model} used up {most} before it said anything",
                "allow it a longer answer with --max-answer-tokens, or ask a model that thinks less",
            )  # fmt: skip
        if finish == "content_filter":
            return self._no_reply(f"a content filter of {self.shown_url} held the answer back", "ask in other words")
        if calls:
            return self._no_reply(
                f"{self.model} called a tool, of which it was offered none, and did not answer", "try another model"
            )
        if thought:
            return self._no_reply(f"{self.model} only thought, and gave no answer", "ask again, or try another model")
        return EmptyReplyError(f"{self.shown_url} sent an answer without text", "ask again, or try another model")

    def cut_notice(self) -> str:
        """For an answer that ended at the limit of tokens."""
        most = f" of {self.answer_tokens:,} tokens" if self.answer_tokens else " of tokens"
        return f"the answer is incomplete: it reached its limit{most}; allow more with --max-answer-tokens"

    def reported(self, error: object) -> LlmError:
        """For an error that the server sent instead of a reply, or within one."""
        said = self.excerpt({"error": error})
        return self.error(
            f"{self.shown_url} reports an error{said and f': {said}'}",
            "see the log of the server; check that --base-url is that of an OpenAI-compatible server",
        )

    def no_completion(self, body: str) -> LlmError:
        """For an answer of the server, `body`, that is no chat completion."""
        what = "a web page" if _MARKUP.match(body) else "something that is no chat completion"
        return self.error(f"{self.shown_url} answered with {what}", "check --base-url: for most servers it ends in /v1")

    def error(self, message: str, hint: str) -> LlmError:
        """An LlmError without control characters and keys."""
        return LlmError(self._clean(message), self._clean(hint))

    def _no_reply(self, message: str, hint: str) -> NoReplyError:
        return NoReplyError(self._clean(message), self._clean(hint))

    def excerpt(self, body: object) -> str:
        """The message of an error body: one line of at most 200 characters, without the key; "" where there is none."""
        if isinstance(body, dict):
            inner = body.get("error", body)
            body = inner.get("message") or inner.get("detail") if isinstance(inner, dict) else inner
        if not isinstance(body, str) or _MARKUP.match(body):
            return ""
        if len(body) > _LOOKED_AT:  # between two words, as a key has no blanks
            body = body[:_LOOKED_AT].rsplit(None, 1)[0]
        # Cleaned before it is cut: half a key would no longer be found.
        said = self._clean(body).rstrip(".")
        return said if len(said) <= 200 else said[:199] + "…"

    def _clean(self, text: str) -> str:
        """`text` on one line, without control characters and whatever is, or looks like, a key."""
        if self.key != NO_KEY:
            text = text.replace(self.key, "[key]")
        text = _KEY_LIKE.sub("[key]", text)
        return " ".join(_CONTROL.sub(" ", text).encode("utf-8", "replace").decode().split())


def is_loading(error: Exception) -> bool:
    """Whether the server says that it is loading the model, which passes."""
    if getattr(error, "status_code", None) not in (425, 429, 500, 503):
        return False
    body = getattr(error, "body", None)
    said = body if isinstance(body, str) else str(body or "")
    return bool(_LOADING.search(said[:_LOOKED_AT])) and "fail" not in said[:_LOOKED_AT].lower()


def requested_wait(error: Exception) -> float | None:
    """Seconds the server asks to wait: a number or an HTTP date; None when it does not say."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    value = str(headers.get("retry-after", "")).strip()
    if re.fullmatch(r"\d+(?:\.\d+)?", value):
        return float(value) if len(value) < 20 else None
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time()) if value else None
    except (ValueError, TypeError, OverflowError):
        return None


def get_field(record: Any, name: str) -> Any:
    """A field of a JSON object, or of the object openai makes of it; None where the server left it out."""
    return record.get(name) if isinstance(record, dict) else getattr(record, name, None)


def without_login(url: str) -> str:
    """`url` without user, password and query, which may hold keys."""
    return re.sub(r"//[^/@]*@", "//", url).partition("?")[0]
