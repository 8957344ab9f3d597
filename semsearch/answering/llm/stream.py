"""Reads the reply of a chat server, streamed or whole, into text and notices."""

import json
import re
from collections.abc import Callable, Generator
from typing import Any

from semsearch.answering.llm.errors import ErrorTranslator, LlmError, get_field
from semsearch.http_limits import items_within, within
from semsearch.stopwatch import Stopwatch

# The text, and notices for people.
Reply = tuple[str, tuple[str, ...]]
OnText = Callable[[str], None]

# Characters of an answer that are kept, about 8,000 tokens, and pieces of a stream that are looked at.
LONGEST_ANSWER = 32_000
_MOST_PIECES = 100_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_TOO_LONG = f"the answer is incomplete: it was cut at {LONGEST_ANSWER:,} characters"
_THINK, _THOUGHT = "<think>", "</think>"


def read_reply(
    response: Any, on_text: OnText | None, errors: ErrorTranslator, watch: Stopwatch, seconds: float
) -> Reply:
    """The reply in `response`: a stream when `on_text` is given, which is handed the text piece by piece.

    A server that cannot stream sends the reply whole; `on_text` then gets it in one piece. A text that is too long is
    cut, as is one that is not there when `watch` shows `seconds`; a notice tells. Raises LlmError.
    """
    if on_text is None:
        return _read_whole(response, errors)
    kind = response.response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "text/event-stream":
        return _read_stream(items_within(watch, seconds, lambda: iter(response)), on_text, errors)
    failure: LlmError | None = None
    try:
        body = within(watch, seconds, response.response.read)
        record = _json(body)
    except Exception as error:  # httpx's, of whichever version is installed
        failure = errors.translate(error)
    # Raised here, not above: an exception in its chain would show the request with its headers.
    if failure is not None:
        raise failure
    text, notices = _read_whole(record if isinstance(record, dict) else body.decode("utf-8", "replace"), errors)
    on_text(text)
    return text, notices


def _read_whole(completion: Any, errors: ErrorTranslator) -> Reply:
    if isinstance(completion, str | bytes) or completion is None:
        raise errors.no_completion(str(completion or ""))
    if (error := get_field(completion, "error")) and not get_field(completion, "choices"):
        message = f"{errors.shown_url} reports an error: {errors.excerpt(error)}"
        raise errors.error(message, "see the log of the server")
    choice = _first(get_field(completion, "choices"))
    message = get_field(choice, "message")
    content = get_field(message, "content")
    finish = get_field(choice, "finish_reason")
    refused = get_field(message, "refusal")
    cleaner = TextCleaner()
    text = (cleaner.feed(content) + cleaner.end()).strip() if isinstance(content, str) else ""
    if not text:
        raise errors.empty_reply(finish, refused if isinstance(refused, str) else "", cleaner.thinking)
    if len(text) > LONGEST_ANSWER:
        return text[:LONGEST_ANSWER].rstrip(), (_TOO_LONG,)
    return text, _finish_notices(finish)


def _read_stream(stream: Generator[Any, None, None], on_text: OnText, errors: ErrorTranslator) -> Reply:
    cleaner = TextCleaner()
    parts: list[str] = []
    finish: str | None = None
    refused = ""
    failure: LlmError | None = None
    length = pieces = 0
    while length <= LONGEST_ANSWER:
        try:
            chunk = next(stream, None)
        except Exception as error:  # a broken connection, a timeout or bytes that are no JSON
            failure = errors.translate(error)
            break
        pieces += 1
        if chunk is None or pieces > _MOST_PIECES:
            break
        choice = _first(get_field(chunk, "choices"))
        delta = get_field(choice, "delta")
        content, refusal = get_field(delta, "content"), get_field(delta, "refusal")
        refused += refusal[:1000] if isinstance(refusal, str) and len(refused) < 1000 else ""
        reason = get_field(choice, "finish_reason")
        finish = reason if isinstance(reason, str) else finish
        if isinstance(content, str):
            length += _hand_over(cleaner.feed(content), LONGEST_ANSWER - length, parts, on_text)
    stream.close()
    length += _hand_over(cleaner.end(), LONGEST_ANSWER - length, parts, on_text)
    text = "".join(parts).strip()
    if not text:
        raise failure if failure is not None else errors.empty_reply(finish, refused, cleaner.thinking)
    if failure is not None:
        return text, (f"the answer is incomplete: {failure.message}",)
    if length > LONGEST_ANSWER or pieces > _MOST_PIECES:
        return text, (_TOO_LONG,)
    if finish is None:
        return text, (f"the answer may be incomplete: {errors.shown_url} ended it without saying so",)
    return text, _finish_notices(finish)


def _hand_over(text: str, most: int, parts: list[str], on_text: OnText) -> int:
    """Appends `text`, `most` characters of it, to `parts` and tells `on_text` of it, without white space before the
    first word. Returns how long the text is before it is cut."""
    if not parts:
        text = text.lstrip()
    length = len(text)
    text = text[: max(0, most)]
    if text:
        parts.append(text)
        on_text(text)
    return length


class TextCleaner:
    """Cleans streamed text piece by piece: drops control characters, lone surrogates and a leading <think> part."""

    def __init__(self) -> None:
        self._held = ""
        self._begun = False
        self.thinking = False

    def feed(self, text: str) -> str:
        """What can be shown of the text so far and was not returned before."""
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
        """What is left when the stream has ended."""
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


def _first(choices: Any) -> Any:
    return choices[0] if isinstance(choices, list) and choices else None


def _json(body: bytes) -> object:
    try:
        record: object = json.loads(body)
    except (ValueError, RecursionError):  # a number of thousands of digits, lists in lists in lists
        return None
    return record
