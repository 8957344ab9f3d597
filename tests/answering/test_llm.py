"""Answers from a chat server that works, and one clear error for each way it does not."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from semsearch.answering.generative import answer_with_llm
from semsearch.answering.llm import LlmError, LlmSettings, client
from semsearch.errors import UsageError
from tests.support.answer_hits import hit
from tests.support.chat_server import Handler, chat

KEY = "sk-test-0123456789abcdef"
GREASE = "Every 700 running hours, press 90 grams of grease through the lower nipple. Stop when clean grease shows."
SOURCES = [hit(GREASE, "manual.md", 20), hit("The crossing takes about thirty minutes.", "ferry.md")]
QUESTION = "how often is the bearing greased"
GOOD = "The bearing is greased every 700 running hours [1]."
Behaviour = Callable[[Handler, dict[str, Any]], None]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def settings(url: str, **more: Any) -> LlmSettings:
    return LlmSettings("tiny-model", url, **{"timeout": 60.0, **more})


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_is_checked_and_its_citations_are_quoted(stream: bool) -> None:
    text = GOOD + " It takes 45 minutes [2]. Use part LH-9 [7]."
    pieces: list[str] = []
    with chat(lambda handler, body: handler.say(body, text)) as server:
        answer = answer_with_llm(QUESTION, SOURCES, settings(server.url), pieces.append if stream else None)
    assert answer.text == text
    assert "".join(pieces) == (text if stream else "")
    assert len(pieces) > 3 or not stream, "it came in pieces"
    assert (answer.answered, answer.llm) == (True, "tiny-model")
    (first, *_) = answer.citations
    assert (first.n, first.path, first.line_start) == (1, "manual.md", 20)
    assert first.quote == "Every 700 running hours, press 90 grams of grease through the lower nipple."
    assert answer.unsupported == ("It takes 45 minutes [2].", "Use part LH-9 [7].")
    assert any("do not exist: [7]" in notice for notice in answer.notices)
    sent = server.requests[0]
    assert sent["model"] == "tiny-model"
    assert GREASE in sent["messages"][1]["content"]
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_a_refusal_is_no_answer_and_without_sources_nobody_is_asked() -> None:
    with chat(lambda handler, body: handler.say(body, "Not found in these documents.")) as server:
        assert not answer_with_llm(QUESTION, SOURCES, settings(server.url)).answered
        assert not answer_with_llm(QUESTION, [], settings(server.url)).answered
        assert len(server.requests) == 1


def test_control_bytes_and_thoughts_never_reach_the_terminal() -> None:
    pieces: list[str] = []
    with chat(lambda handler, body: handler.say(body, f"<think>hm</think>\x1b[2J{GOOD}\x07")) as server:
        answer = answer_with_llm(QUESTION, SOURCES, settings(server.url), pieces.append)
    assert answer.text == "".join(pieces) == GOOD


def overloaded(times: int, **headers: str) -> Behaviour:
    """429 so often, then an answer."""
    left = [times]

    def behave(handler: Handler, body: dict[str, Any]) -> None:
        if left[0]:
            left[0] -= 1
            handler.reply(429, {"error": {"message": f"slow down {KEY}", "code": "rate_limit_exceeded"}}, **headers)
        else:
            handler.say(body, GOOD)

    return behave


def test_too_many_requests_are_tried_again_after_the_time_asked_for() -> None:
    with chat(overloaded(1, retry_after="1")) as server:
        begun = time.monotonic()
        assert answer_with_llm(QUESTION, SOURCES, settings(server.url)).answered
        assert time.monotonic() - begun >= 1
    with chat(overloaded(9, retry_after="3600")) as server, pytest.raises(LlmError, match="no more requests") as failed:
        answer_with_llm(QUESTION, SOURCES, settings(server.url))
    assert "wait 3600 s" in failed.value.hint
    assert len(server.requests) == 1


def test_a_context_overflow_is_asked_again_with_half_of_the_sources() -> None:
    error = {"error": {"message": "maximum context length is 512 tokens", "code": "context_length_exceeded"}}

    def behave(handler: Handler, body: dict[str, Any]) -> None:
        if "ferry.md" in body["messages"][1]["content"]:
            handler.reply(400, error)
        else:
            handler.say(body, GOOD)

    with chat(behave) as server:
        answer = answer_with_llm(QUESTION, SOURCES, settings(server.url))
    assert answer.answered and len(answer.contexts) == 1
    assert any("asked again with fewer" in notice for notice in answer.notices)
    with chat(lambda handler, body: handler.reply(400, error)) as server, pytest.raises(LlmError, match="do not fit"):
        answer_with_llm(QUESTION, SOURCES, settings(server.url))


def broken_stream(handler: Handler, body: dict[str, Any]) -> None:
    handler.begin()
    handler.piece({"choices": [{"index": 0, "delta": {"content": GOOD}}]})
    handler.hang_up()


def test_a_stream_that_breaks_keeps_what_came() -> None:
    with chat(broken_stream) as server:
        answer = answer_with_llm(QUESTION, SOURCES, settings(server.url), lambda text: None)
    assert answer.text == GOOD
    assert any("incomplete" in notice for notice in answer.notices)


def silent(handler: Handler, body: dict[str, Any]) -> None:
    handler.connection.recv(1)  # nothing comes: it returns when the client has hung up


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("behave", "message"),
    [
        (lambda h, b: h.reply(401, {"error": {"message": f"Incorrect API key provided: {KEY}"}}), "API key"),
        (lambda h, b: h.reply(404, {"error": {"message": "model not found"}}), "knows no model tiny-model"),
        (lambda h, b: h.reply(429, {"error": {"message": "quota", "code": "insufficient_quota"}}), "no quota"),
        (lambda h, b: h.reply(500, "<html>oops</html>", "text/html"), "failed (500)"),
        (lambda h, b: h.reply(200, "<html>Welcome</html>", "text/html"), "web page"),
        (lambda h, b: h.reply(200, '{"choices": ', "application/json"), ""),
        (lambda h, b: h.reply(200, {"choices": []}), "without text"),
        (lambda h, b: h.say(b, None), "without text"),
        (lambda h, b: h.hang_up(), ""),
        (silent, "sent nothing for 1 s"),
    ],
)
def test_every_failure_is_one_line_with_a_way_out_and_without_the_key(
    behave: Behaviour, message: str, stream: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(client, "ATTEMPTS", 1)
    with chat(behave) as server, pytest.raises(LlmError) as failed:
        answer_with_llm(QUESTION, SOURCES, settings(server.url, timeout=1.0), (lambda text: None) if stream else None)
    error = failed.value
    assert message in error.message
    assert error.hint and "\n" not in error.message + error.hint
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__) is not None:
        chain.append(cause)
    assert KEY not in "".join(map(repr, chain)) + error.message + error.hint + "".join(capfd.readouterr())
    assert KEY not in repr(settings("http://127.0.0.1:1/v1", api_key=KEY))


def test_nobody_listens_or_the_address_is_none() -> None:
    with pytest.raises(LlmError, match=r"nothing listens at http://127\.0\.0\.1:9/v1"):
        answer_with_llm(QUESTION, SOURCES, settings("http://127.0.0.1:9/v1"))
    for address in (
        "127.0.0.1:9",
        "ftp://host/v1",
        "http://",
        "http://host:99999999",
        "http://host/\x1b[31m",
        "http://h/\x7f",
    ):
        with pytest.raises(UsageError, match="not the address of a server"):
            answer_with_llm(QUESTION, SOURCES, settings(address))
    with pytest.raises(UsageError) as refused:
        LlmSettings("m", "nonsense://ada:secret@host/v1?key=secret").endpoint()
    assert "secret" not in refused.value.message


def test_without_a_key_the_real_endpoint_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(LlmError, match="no API key"):
        answer_with_llm(QUESTION, SOURCES, LlmSettings("gpt-4o-mini"))
    with chat(lambda handler, body: handler.say(body, GOOD)) as server:
        assert answer_with_llm(QUESTION, SOURCES, settings(server.url)).answered
    assert json.dumps(server.requests).count(KEY) == 0
