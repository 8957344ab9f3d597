"""Chat servers as they are: what they refuse, when they are busy, and in how many forms they reply."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from semsearch.answering.answer import Answer
from semsearch.answering.generative import answer_with_llm
from semsearch.answering.llm import LlmError, LlmSettings, client
from tests.support.answer_hits import hit
from tests.support.chat_server import Chat, Handler, chat

SOURCES = [hit("Every 700 running hours, press 90 grams of grease into the main bearing.", "manual.md")]
QUESTION = "how often is the bearing greased"
GOOD = "The main bearing is greased every 700 running hours [1]."
Behaviour = Callable[[Handler, dict[str, Any]], None]


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What one test learns of a server is forgotten, as another may get its port; waiting is short."""
    monkeypatch.setattr(client, "_LOADING_POLL", 0.05)
    client._DIALECTS.clear()
    yield
    client._DIALECTS.clear()


def ask(server: Chat, **more: Any) -> Answer:
    settings = LlmSettings("tiny-model", server.url, "sk-0123456789", **{"timeout": 60.0, **more})
    return answer_with_llm(QUESTION, SOURCES, settings)


def error(message: str, status: int = 400, **fields: Any) -> Behaviour:
    return lambda handler, body: handler.reply(status, {"error": {"message": message, **fields}})


def good(handler: Handler, body: dict[str, Any]) -> None:
    handler.say(body, GOOD)


def unless(refused: Callable[[dict[str, Any]], object], refusal: Behaviour) -> Behaviour:
    return lambda handler, body: (refusal if refused(body) else good)(handler, body)


def has_system(body: dict[str, Any]) -> bool:
    return any(message["role"] == "system" for message in body["messages"])


EXTRA = {
    "detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "no", "input": {"temperature": 0}}]
}
PARTICULAR = {
    "no system role": unless(has_system, error("System role not supported")),
    "a template without one": unless(has_system, error("raise_exception('System role not supported')", 500)),
    "roles that alternate": unless(has_system, error("Conversation roles must alternate user/assistant/user/...")),
    "another name of the limit": unless(
        lambda body: "max_tokens" in body, error("'max_tokens' is not supported. Use 'max_completion_tokens' instead.")
    ),
    "no limit": unless(
        lambda body: "max_tokens" in body or "max_completion_tokens" in body,
        lambda handler, body: error(f"Unknown: {next(name for name in body if name.startswith('max_'))}")(
            handler, body
        ),
    ),
    "no temperature": unless(
        lambda body: "temperature" in body,
        error("'temperature' does not support 0 with this model", param="temperature"),
    ),
    "a temperature above zero": unless(
        lambda body: body.get("temperature") == 0, error("`temperature` must be strictly positive", 422)
    ),
    "no stream": unless(lambda body: body["stream"], error("stream not supported")),
    "no options of streams": unless(
        lambda body: "stream_options" in body, lambda handler, body: handler.reply(422, EXTRA)
    ),
    "refuses without a word": unless(
        lambda body: "stream_options" in body, lambda handler, body: handler.reply(400, "")
    ),
    "takes almost nothing": unless(
        lambda body: set(body) - {"model", "messages", "stream"},
        lambda handler, body: error(f"unexpected {min(set(body) - {'model', 'messages', 'stream'})}")(handler, body),
    ),
}


@pytest.mark.parametrize("name", PARTICULAR)
def test_what_a_server_refuses_is_left_out_and_not_sent_again(name: str) -> None:
    with chat(PARTICULAR[name]) as server:
        assert not ask(server).unsupported
        asked = len(server.requests)
        assert 1 < asked < 7
        assert ask(server).answered
        assert len(server.requests) == asked + 1, "the next question goes as the server wants it"
    assert QUESTION in server.requests[-1]["messages"][-1]["content"]
    assert "NOT_IN_SOURCES" in json.dumps(server.requests[-1]["messages"]), "the instructions are sent in any case"


def test_every_reply_is_asked_for_as_a_stream() -> None:
    with chat(good) as server:
        ask(server)
    assert server.requests[0]["stream"] and server.requests[0]["max_tokens"] == 1024
    with chat(good) as server:
        ask(server, answer_tokens=77)
    assert server.requests[0]["max_tokens"] == 77


def pieces(*records: object, end: bool = True, kind: str = "text/event-stream") -> Behaviour:
    def behave(handler: Handler, body: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.send_header("content-type", kind)
        handler.end_headers()
        for record in records:
            handler.piece(record)
        if end:
            handler.wfile.write(b"data: [DONE]\n\n")
        handler.close_connection = True

    return behave


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def whole(content: object, finish: str | None = "stop", **fields: Any) -> Behaviour:
    return lambda handler, body: handler.reply(
        200, {"choices": [{"message": {"content": content, **fields}, "finish_reason": finish}]}
    )


REPLIES = {
    "whole, though a stream was asked for": whole(GOOD),
    "whole, with a type of its own": lambda handler, body: handler.reply(
        200, {"choices": [{"message": {"content": GOOD}}]}, "text/plain"
    ),
    "a list of parts": whole([{"type": "thinking", "thinking": [{"text": "hm"}]}, {"type": "text", "text": GOOD}]),
    "a stream of another type": pieces(delta(content=GOOD), delta("stop"), kind="text/plain"),
    "without a reason to end": pieces(delta(content=GOOD)),
    "without an end": pieces(delta(content=GOOD), delta("stop"), end=False),
    "thoughts in a field": pieces(delta(reasoning_content="hm [9]"), delta(content=GOOD), delta("stop")),
    "thoughts in another": pieces(delta(reasoning="hm [9]"), delta(content=GOOD), delta("stop")),
    "parts in a stream": pieces(delta(content=[{"type": "text", "text": GOOD}]), delta("stop")),
    "null first, usage last": pieces(
        delta(role="assistant", content=None), delta(content=GOOD), delta("stop"), {"choices": [], "usage": {}}
    ),
    "nothing in the stream": lambda handler, body: (pieces(delta("stop")) if body["stream"] else whole(GOOD))(
        handler, body
    ),
    "a mark of its end": pieces(delta(content=GOOD + "<|im_end|>"), delta("stop")),
}  # fmt: skip


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_in_any_form_is_read(name: str) -> None:
    with chat(REPLIES[name]) as server:
        answer = ask(server)
    assert answer.text == GOOD
    assert not answer.notices and not answer.unsupported


FAILURES = {
    "only thought": (pieces(delta(reasoning_content=GOOD), delta("stop")), "only thought"),
    "cut in its thoughts": (pieces(delta(content="<think>hm"), delta("length")), "for thinking"),
    "a tool": (pieces(delta("tool_calls")), "called a tool"),
    "a refusal": (pieces(delta(refusal="I can't help."), delta("stop")), "refused to answer"),
    "an error in the stream": (pieces({"error": {"message": "CUDA out of memory"}}), "CUDA out of memory"),
    "an error as an answer": (lambda handler, body: handler.reply(200, {"error": "no such path"}), "no such path"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_what_is_no_answer_is_told(name: str) -> None:
    behave, message = FAILURES[name]
    with chat(behave) as server, pytest.raises(LlmError, match=message) as failed:
        ask(server)
    assert failed.value.hint


def test_a_model_that_is_loading_is_waited_for() -> None:
    loading = [4]
    told: list[str] = []

    def behave(handler: Handler, body: dict[str, Any]) -> None:
        loading[0] -= 1
        (error("Loading model", 503) if loading[0] >= 0 else good)(handler, body)

    with chat(behave) as server:
        settings = LlmSettings("tiny-model", server.url, timeout=60.0)
        assert answer_with_llm(QUESTION, SOURCES, settings, on_wait=told.append).answered
    assert len(told) == 1 and "is loading tiny-model: waiting for it, up to 180 s" in told[0]
    with chat(error("Loading model", 503)) as server, pytest.raises(LlmError, match="still loading"):
        ask(server, timeout=0.5)


def test_a_cut_context_and_a_cut_answer_are_told() -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": 100}}
    with chat(pieces(delta(content=GOOD), delta("stop"), usage)) as server:
        assert "read only 100 of about" in ask(server).notices[0]
    with chat(pieces(delta(content=GOOD + " Press 90 tons of"), delta("length"))) as server:
        answer = ask(server)
    assert "--max-answer-tokens" in answer.notices[0] and not answer.unsupported


def test_a_model_in_a_loop_is_stopped() -> None:
    with chat(lambda handler, body: handler.say(body, (GOOD + " ") * 500)) as server:
        answer = ask(server)
    assert answer.text == GOOD and "repeating itself" in answer.notices[0]


def test_what_the_server_says_of_its_context_is_believed() -> None:
    def behave(handler: Handler, body: dict[str, Any]) -> None:
        if "ferry" in body["messages"][1]["content"]:
            error("exceeds the context size", n_ctx=1900)(handler, body)
        else:
            good(handler, body)

    sources = [*SOURCES, hit("The ferry leaves at ten. " * 200, "ferry.md")]
    with chat(behave) as server:
        answer = answer_with_llm(QUESTION, sources, LlmSettings("tiny-model", server.url))
    assert answer.answered and len(server.requests) <= 3
    assert any("can read 1,900 tokens" in notice or "with fewer" in notice for notice in answer.notices)
