"""Reads the reply of a chat server, streamed or whole, into text and notices."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from semsearch.answering.llm.errors import ErrorTranslator, LlmError, get_field
from semsearch.answering.llm.events import END, read_records
from semsearch.answering.llm.thoughts import Piece, ThoughtSplitter, cleaned
from semsearch.http_limits import items_within
from semsearch.stopwatch import Stopwatch

OnText = Callable[[str], None]

# Characters of an answer that are kept, about 8,000 tokens, and pieces of a stream that are looked at.
LONGEST_ANSWER = 32_000
_MOST_PIECES = 100_000
_TOO_LONG = f"the answer is incomplete: it was cut at {LONGEST_ANSWER:,} characters"
# Names under which servers send what a model thinks, apart from what it says.
_THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking")
_LOOP = "the model went on repeating itself: the repetitions are left out"
# Small models may fall into a loop, which ends at the limit of tokens alone. So many characters, said so many times one
# after another, are one.
_SHORTEST_LOOP, _ROUNDS = 20, 4
_LOOKED_AT = 4000
_LONGEST_REFUSAL = 1000
# Parts within parts of a message's content.
_DEEPEST = 5
# What stands for the break between two parts of a reply that turned out to be a thought and what is said.
_RETRACTED = "\n\n"


@dataclass(frozen=True)
class Reply:
    """What a model said: `text`, without its thoughts.

    `notices`: what is wrong with it, for people; `incomplete`: it ends before its end; `prompt_tokens`: how many the
    server read, None where it does not tell.
    """

    text: str
    notices: tuple[str, ...] = ()
    incomplete: bool = False
    prompt_tokens: int | None = None


@dataclass(frozen=True)
class Listener:
    """Who is told of a reply while it comes.

    `on_text`: what is said. Where it turns out to have been a thought, an empty line follows it, and the text of the
    reply begins after that. `on_thought`: what is thought. `on_wait`: one sentence, when the server is waited for.
    """

    on_text: OnText | None = None
    on_thought: OnText | None = None
    on_wait: OnText | None = None


def read_reply(
    parts: Callable[[], Iterable[bytes]],
    listener: Listener,
    errors: ErrorTranslator,
    watch: Stopwatch,
    seconds: float,
) -> Reply:
    """The reply whose bytes are those of `parts()`: a stream of events, or one record; `listener` is told of it.

    A text that is too long is cut, as is one that is not there when `watch` shows `seconds`; a notice tells. Raises
    LlmError.
    """
    reader = _Reader(listener, errors)
    failure: LlmError | None = None
    records = items_within(watch, seconds, lambda: read_records(parts()))
    while not reader.full:
        try:
            record = next(records)
        except StopIteration:
            break
        except Exception as error:  # a broken connection, a timeout or bytes that are no JSON
            failure = errors.translate(error)
            break
        failure = reader.take(record)
        if failure is not None:
            break
    records.close()
    # Raised here, not above: an exception in its chain would show the request with its headers.
    return reader.reply(failure)


class _Reader:
    """Takes the records of a reply one by one."""

    def __init__(self, listener: Listener, errors: ErrorTranslator) -> None:
        self._listener = listener
        self._errors = errors
        self._splitter = ThoughtSplitter()
        self._said: list[str] = []
        self._tail = ""  # of what was said
        self._length = self._pieces = 0
        self._finish: str | None = None
        self._refused = ""
        self._thought = self._calls = self._streams = self._ended = False
        self._loop: int | None = None  # where the model began to repeat itself
        self._prompt_tokens: int | None = None

    @property
    def full(self) -> bool:
        """Whether no more of the reply is kept: it is as long as any, or repeats itself."""
        return self._loop is not None or self._length > LONGEST_ANSWER or self._pieces > _MOST_PIECES

    def take(self, record: object) -> LlmError | None:
        """Takes a record; an error where it is one, or no part of a chat completion."""
        self._pieces += 1
        if record is END:
            self._ended = True
            return None
        if not isinstance(record, dict):
            return self._errors.no_completion(record if isinstance(record, str) else "")
        choices = record.get("choices")
        if (error := record.get("error")) and not choices:
            return self._errors.reported(error)
        usage = get_field(record.get("usage"), "prompt_tokens")
        if isinstance(usage, int):
            self._prompt_tokens = usage
        choice = choices[0] if isinstance(choices, list) and choices else None
        self._streams = self._streams or get_field(choice, "delta") is not None
        message = get_field(choice, "delta") or get_field(choice, "message")
        reason = get_field(choice, "finish_reason")
        self._finish = reason if isinstance(reason, str) else self._finish
        self._calls = self._calls or reason in ("tool_calls", "function_call")
        if not isinstance(message, dict):
            return None
        self._calls = self._calls or bool(message.get("tool_calls"))
        refusal = message.get("refusal")
        self._refused += refusal[: _LONGEST_REFUSAL - len(self._refused)] if isinstance(refusal, str) else ""
        # Some servers send one thought under two names.
        thoughts = next((texts for name in _THOUGHT_FIELDS if (texts := _texts(message.get(name), thought=True))), [])
        for text in thoughts:
            self._think(text)
        content = message.get("content")
        for part in content if isinstance(content, list) else [content]:
            kind = get_field(part, "type")
            if kind in _THOUGHT_FIELDS:
                for text in _texts(part, thought=True):
                    self._think(text)
            else:
                for text in _texts(part):
                    self._hand_over(self._splitter.feed(text))
        return None

    def reply(self, failure: LlmError | None) -> Reply:
        """The reply that was taken; `failure`: what ended it before its end. Raises LlmError where it has no text."""
        self._hand_over(self._splitter.end())
        text = "".join(self._said).strip()
        finish = self._finish
        if not text:
            if failure is not None:
                raise failure
            raise self._errors.empty_reply(
                finish,
                refused=self._refused,
                thought=self._thought,
                unfinished=self._splitter.thinking,
                calls=self._calls,
            )
        notice = ""
        if self._loop is not None:
            return Reply("".join(self._said)[: self._loop].strip(), (_LOOP,), False, self._prompt_tokens)
        if self.full:
            notice = _TOO_LONG
        elif failure is not None and finish is None:
            notice = f"the answer is incomplete: {failure.message}"
        elif finish in ("length", "max_tokens"):
            notice = self._errors.cut_notice()
        elif finish == "content_filter":
            notice = "the answer is incomplete: a content filter of the server cut it"
        elif finish is None and self._streams and not self._ended:
            notice = f"the answer may be incomplete: {self._errors.shown_url} ended it without saying so"
        incomplete = bool(notice)
        return Reply(text, (notice,) if notice else (), incomplete, self._prompt_tokens)

    def _think(self, text: str) -> None:
        self._hand_over([Piece("thought", cleaned(text))])

    def _hand_over(self, pieces: Iterable[Piece]) -> None:
        for kind, text in pieces:
            if kind == "thought":
                self._thought = True
                if self._listener.on_thought is not None:
                    self._listener.on_thought(text)
            elif kind == "retracted":
                self._thought = True
                self._said.clear()
                self._length, self._tail = 0, ""
                if self._listener.on_text is not None:
                    self._listener.on_text(_RETRACTED)
            else:
                self._say(text)

    def _say(self, text: str) -> None:
        if not self._said:
            text = text.lstrip()
        kept = text[: max(0, LONGEST_ANSWER - self._length)]
        self._length += len(text)
        if kept:
            self._said.append(kept)
            self._tail = (self._tail + kept)[-_LOOKED_AT:]
            if (repeated := _repeated(self._tail)) and self._loop is None:
                self._loop = len("".join(self._said)) - repeated
            if self._listener.on_text is not None:
                self._listener.on_text(kept)


def _repeated(tail: str) -> int:
    """How many characters at the end of `tail` only say again what stands before them; 0 where that is no loop."""
    before = tail.rfind(tail[-_SHORTEST_LOOP:], 0, len(tail) - 1)
    period = len(tail) - _SHORTEST_LOOP - before
    if before < 0 or period < _SHORTEST_LOOP or len(tail) < _ROUNDS * period:
        return 0
    unit = tail[-period:]
    if tail[-_ROUNDS * period :] != unit * _ROUNDS or not any(letter.isalpha() for letter in unit):
        return 0
    start = len(tail) - _ROUNDS * period
    while start and tail[start - 1] == tail[start - 1 + period]:
        start -= 1
    return len(tail) - start - period


def _texts(value: Any, *, thought: bool = False, depth: int = 0) -> list[str]:
    """The texts of a field of a message: a text, a part with one, or a list of parts, which may hold parts again."""
    if isinstance(value, str):
        return [value] if value else []
    if depth > _DEEPEST:
        return []
    if isinstance(value, list):
        return [text for item in value for text in _texts(item, thought=thought, depth=depth + 1)]
    if isinstance(value, dict):
        for name in ("text", "content", *_THOUGHT_FIELDS) if thought else ("text", "content"):
            if texts := _texts(value.get(name), thought=thought, depth=depth + 1):
                return texts
    return []
