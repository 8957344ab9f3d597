"""Whatever a chat server sends, `ask` ends soon, with an answer, a cut one that says so, or one error."""

import gzip
import json
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from typing import Any

import pytest

from semsearch.answering.citations import check_citations
from semsearch.answering.generative import answer_with_llm
from semsearch.answering.llm import LlmError, LlmSettings
from semsearch.answering.llm.stream import LONGEST_ANSWER
from tests.support.answer_hits import hit
from tests.support.chat_server import Handler, chat

SOURCES = [hit("Every 700 running hours, press 90 grams of grease.", "manual.md"), hit("Ferries leave at ten.", "f.md")]
QUESTION = "how often is the bearing greased"
# Far beyond what the slowest case takes on a busy machine, and far below what each took without bounds.
SOON = 60.0
Behaviour = Callable[[Handler, dict[str, Any]], None]
DEEP = "[" * 200_000 + "]" * 200_000


OK = b"HTTP/1.1 200 OK\r\n"
STREAM, JSON = OK + b"content-type: text/event-stream\r\n\r\n", OK + b"content-type: application/json\r\n\r\n"
GZIP = OK + b"content-type: text/event-stream\r\ncontent-encoding: gzip\r\n\r\n"


def sends(parts: Callable[[], Iterable[bytes]], head: bytes = STREAM) -> Behaviour:
    """Sends `head` and `parts` until nobody listens any more."""

    def behave(handler: Handler, body: dict[str, Any]) -> None:
        handler.close_connection = True
        try:
            handler.wfile.write(head)
            for part in parts():
                handler.wfile.write(part)
        except OSError:
            return

    return behave


def event(text: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode() + b"\n\n"


def slowly(byte: bytes) -> Iterator[bytes]:
    while True:
        time.sleep(0.1)
        yield byte


def ask(behave: Behaviour, stream: bool, timeout: float = 60.0) -> Any:
    """The answer, or the error as a text; soon."""
    began = time.monotonic()
    with chat(behave) as server:
        try:
            settings = LlmSettings("tiny-model", server.url, "sk-0123456789", timeout)
            return answer_with_llm(QUESTION, SOURCES, settings, (lambda _: None) if stream else None)
        except LlmError as error:
            assert "\n" not in error.message and len(error.message) < 500 and error.hint
            return error.message
        finally:
            assert time.monotonic() - began < SOON


CUT = {
    "an endless answer": sends(lambda: repeat(event("It is so [1]. "))),
    "endless pieces without text": sends(lambda: chain([event("So [1].")], repeat(event("")))),
    "an answer of megabytes": lambda handler, body: handler.say(body, "It is so [1]. " * 20_000),
    "one piece of megabytes": sends(lambda: [event("It is so [1]. " * 500_000)]),
}


@pytest.mark.parametrize("name", CUT)
def test_an_answer_without_an_end_is_cut(name: str) -> None:
    answer = ask(CUT[name], True)
    assert 0 < len(answer.text) <= LONGEST_ANSWER
    assert any("incomplete" in notice for notice in answer.notices)


BAD = {
    "a line without an end": sends(lambda: chain([b"data: "], repeat(b"x" * 65536))),
    "a body without an end": sends(lambda: repeat(b" " * 65536), JSON),
    "headers without an end": sends(lambda: repeat(b"x: " + b"y" * 1000 + b"\r\n"), OK),
    "an error without an end": sends(lambda: repeat(b"<" * 65536), b"HTTP/1.1 400 no\r\n\r\n"),
    "a gzip bomb": sends(lambda: [gzip.compress(b"data: " + bytes(200_000_000))], GZIP),
    "deep JSON": lambda handler, body: handler.reply(200, DEEP),
    "deep JSON in a stream": sends(lambda: [b"data: ", DEEP.encode(), b"\n\n"]),
    "a number of a million digits": lambda handler, body: handler.reply(200, '{"choices": ' + "9" * 1_000_000 + "}"),
    "such a number in a stream": sends(lambda: [b'data: {"choices": ', b"9" * 1_000_000, b"}\n\n"]),
    "a redirect to itself": lambda handler, body: handler.reply(307, "", location="/v1/chat/completions"),
    "a web page": lambda handler, body: handler.reply(200, "<html>" + "x" * 1_000_000, "text/html"),
    "NUL bytes": sends(lambda: [b"\0" * 100_000]),
    "no UTF-8": sends(lambda: [b"data: \xff\xfe{\n\n"]),
    "an error of megabytes": lambda handler, body: handler.reply(400, {"error": {"message": "no " * 3_000_000}}),
    "a wait of a million digits": lambda handler, body: handler.reply(429, {}, retry_after="9" * 60_000),
    "choices of another form": lambda handler, body: handler.reply(200, {"choices": [{"message": [1, 2]}, "x", None]}),
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", BAD)
def test_what_is_no_answer_is_one_error(name: str, stream: bool) -> None:
    message = ask(BAD[name], stream)
    assert isinstance(message, str) and "http://127.0.0.1" in message


SLOW = {
    "headers": sends(lambda: slowly(b"x"), OK + b"x: "),
    "answers before the answer": sends(lambda: slowly(b"HTTP/1.1 103 Early\r\n\r\n"), b""),
    "a body": sends(lambda: slowly(b" "), JSON),
    "a stream": sends(lambda: slowly(b":\n")),
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", SLOW)
def test_a_slow_drip_ends_after_ten_timeouts(name: str, stream: bool) -> None:
    message = ask(SLOW[name], stream, 0.4)
    assert "did not end its answer in 4 s" in message


def test_what_came_before_a_drip_is_kept() -> None:
    answer = ask(sends(lambda: chain([event("So [1].")], slowly(b":\n"))), True, 0.4)
    assert answer.text == "So [1]." and "incomplete" in answer.notices[-1]


UNITS = [
    "[1]", "So [1]. ", "A. B [2]. ", "[1](a", "【1†", "[1, 2, ", "1-99, ", "[", "`", "`[1]` [1] ", "```", "\n# a",
    "#\n", "9", "9,", "9.9", "\n- ", "\n\n[1] ", " ", ".)", ". (", "Ab Cd ", "not ", "so; ", "|", "one and ", "x:\n",
    "\r", "é", "。", "[" + "1-100," * 99 + "1] ",
]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_checking_takes_no_longer_than_reading(unit: str) -> None:
    began = time.monotonic()
    for text in (unit, f"[{unit}", f"So {unit}"):
        long = (text[: len(text) - len(unit)] + unit * (LONGEST_ANSWER // len(unit)))[:LONGEST_ANSWER]
        check_citations(long, SOURCES, lambda one, other: 0.5)
    assert time.monotonic() - began < SOON / 2
