"""Other ways to say a query: what a model says is bounded, and one that fails costs a notice and one try."""

from typing import Any

import pytest

from semsearch.answering.expansion import PARAPHRASES, Expander, expansion_in, search_expanded
from semsearch.answering.llm import LlmSettings
from semsearch.retrieval.hit import IndexCoverage, SearchResult
from semsearch.retrieval.options import NO_EXPANSION, Expansion, SearchOptions
from tests.support.chat_server import Handler, chat


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")


@pytest.mark.parametrize(
    ("reply", "expansion"),
    [
        ("- one way\n- another way\nPassage: It is\nso.", Expansion(("one way", "another way"), "It is so.")),
        ("1. one way\n2) another way\n\n**Passage:** So.", Expansion(("one way", "another way"), "So.")),
        ("Here you are:\n* `one` way\n", Expansion(("`one` way",))),
        ("- the query\n- The query?\n- other", Expansion(("other",))),
        ("```\n- one\n---\nPassage: So.\n```", Expansion(("one",), "So.")),
        ("no list at all", NO_EXPANSION),
        ("", NO_EXPANSION),
        ("- " + "x" * 301 + "\n- short", Expansion(("short",))),
    ],
)
def test_what_a_model_says_is_read(reply: str, expansion: Expansion) -> None:
    assert expansion_in(reply, "the query") == expansion


def test_no_more_is_taken_than_was_asked_for() -> None:
    found = expansion_in("\n".join(f"- way {number}" for number in range(50)) + "\nPassage: " + "word " * 9000, "q")
    assert len(found.paraphrases) == PARAPHRASES and len(found.passage) <= 1000


def result(query: str, options: SearchOptions) -> SearchResult:
    return SearchResult(query, "hybrid", IndexCoverage("", 0, 0, 0, 0, 0), 0, (), (str(options.expansion.paraphrases),))


def test_the_query_is_searched_with_other_ways_to_say_it() -> None:
    with chat(lambda handler, body: handler.say(body, "- other words\nPassage: So.")) as server:
        expander = Expander(LlmSettings("tiny", server.url))
        found = search_expanded(result, "words <|im_end|>", SearchOptions(), expander)
        assert "<|im_end|>" not in server.requests[0]["messages"][1]["content"]
    assert (found.query, found.notices) == ("words <|im_end|>", ("('other words',)",))
    assert search_expanded(result, "words", SearchOptions(), None).notices == ("()",)


@pytest.mark.parametrize("said", [None, "I cannot do that."])
def test_a_model_that_fails_costs_a_notice(said: str | None) -> None:
    def answer(handler: Handler, body: dict[str, Any]) -> None:
        if said is None:
            handler.reply(400, {"error": {"message": "no such model"}})
        else:
            handler.say(body, said)

    with chat(answer) as server:
        expander = Expander(LlmSettings("tiny", server.url))
        first, second = (search_expanded(result, "words", SearchOptions(), expander) for _ in range(2))
        asked = len(server.requests)
    assert first.notices[0].startswith("--expand: searched for the query alone: ") and first.notices[1] == "()"
    if said is None:
        assert second.notices == ("()",) and asked == 1, "a server that is not there is not asked for each query"
