"""`ask`, as a Python user calls it: quoted, written by a model, and when the model fails."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from semsearch.answering.llm import LlmError, LlmSettings
from semsearch.answering.pipeline import ask
from semsearch.indexing import IndexOptions, index_folders
from semsearch.retrieval.hit import SearchResult
from semsearch.retrieval.options import ANSWER_MIN_SCORE, SearchOptions
from semsearch.retrieval.searcher import Searcher
from tests.support.chat_server import chat
from tests.support.folders import write

QUESTION = "how often is the main bearing greased"
SENTENCE = "The main bearing is greased every 700 running hours."


@pytest.fixture(scope="module")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searcher]:
    folder = tmp_path_factory.mktemp("pipeline") / "folder"
    write(folder, {
        "manual.md": f"# Greasing\n\n{SENTENCE} Use 90 grams.\n",
        "ferry.txt": "The ferry leaves at ten.\n",
        "lamp.md": "# The beacon\n\nThe lamp:\n\n```sh\nbeacon lamp --on --colour amber\n```\nIt glows.\n",
    })  # fmt: skip
    index_folders([str(folder)], None, IndexOptions(model="static"))
    with Searcher(str(folder / ".semsearch")) as opened:
        yield opened


def test_without_a_model_the_best_sentence_is_quoted(searcher: Searcher) -> None:
    results: list[SearchResult] = []
    answer = ask(searcher, QUESTION, SearchOptions(k=2), on_search=results.append)
    assert answer.answered and answer.llm is None
    assert answer.citations[0].quote == SENTENCE
    assert answer.contexts == results[0].hits


def test_a_command_is_quoted_without_its_fence(searcher: Searcher) -> None:
    answer = ask(searcher, "beacon lamp colour amber", SearchOptions(k=1))
    first = answer.citations[0]
    assert (first.quote, first.line_start, first.line_end) == ("beacon lamp --on --colour amber", 6, 6)
    assert "```" not in answer.text


def test_the_notices_of_the_search_are_those_of_the_answer(searcher: Searcher) -> None:
    answer = ask(searcher, "xylophone quasar")
    assert not answer.answered and not answer.contexts
    options = SearchOptions(least_score=ANSWER_MIN_SCORE)
    assert answer.notices and answer.notices == searcher.search("xylophone quasar", options).notices


def test_with_a_model_its_answer_is_checked_and_a_failure_comes_after_the_hits(
    searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")
    with chat(lambda handler, body: handler.say(body, f"{SENTENCE} [1]")) as server:
        answer = ask(searcher, QUESTION, None, LlmSettings("tiny-model", server.url))
    assert answer.llm == "tiny-model" and answer.citations[0].path == "manual.md" and not answer.unsupported
    results: list[SearchResult] = []
    with chat(lambda handler, body: handler.reply(401, {"error": {"message": "no"}})) as server:
        model = LlmSettings("tiny-model", server.url)
        with pytest.raises(LlmError):
            ask(searcher, QUESTION, None, model, on_search=results.append)
    assert results[0].hits


def test_a_row_that_a_model_cites_is_shown_with_the_heads_of_its_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")
    table = "| valve | torque |\n|---|---|\n| red | 48 Nm |\n| blue | 31 Nm |\n"
    write(tmp_path, {"valves.md": f"# Torque of the valves\n\n{table}"})
    index_folders([str(tmp_path)], None, IndexOptions(model="static"))
    with (
        Searcher(str(tmp_path)) as searcher,
        chat(lambda handler, body: handler.say(body, "The blue valve needs 31 Nm [1].")) as server,
    ):
        answer = ask(searcher, "torque of the blue valve", None, LlmSettings("tiny-model", server.url))
    (citation,) = answer.citations
    assert citation.quote == "| blue | 31 Nm |" and citation.shown == "valve: blue | torque: 31 Nm"
