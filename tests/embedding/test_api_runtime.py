"""Models behind providers' APIs: the official clients against local servers that speak the protocols, and misbehave."""

import math
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from semsearch.embedding import api_runtime
from semsearch.embedding.embedder import Embedder, unit_rows
from semsearch.embedding.open import open_model, open_recorded
from semsearch.embedding.resolve import resolve
from semsearch.errors import ModelError
from semsearch.store.vector_cache import cached
from tests.support.commands import Command
from tests.support.embedding_providers import KEY, MODELS, Server, provider, vector
from tests.support.folders import write
from tests.support.made_texts import texts

KINDS = sorted(MODELS)
DIM = {"openai": 1536, "cohere": 1024, "voyage": 1024, "jina": 1024}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setattr(api_runtime, "_FIRST_WAIT", 0.01)
    with provider(kind, DIM[kind]) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("SEMSEARCH_CACHE", str(tmp_path / "cache"))
        yield running


def opened(kind: str, dim: int | None = None) -> Embedder:
    return open_model(resolve(MODELS[kind], dim), lambda message: None)


@pytest.mark.slow
def test_texts_are_encoded_in_batches_as_passages_and_queries(kind: str, server: Server) -> None:
    embedder = opened(kind)
    assert embedder.info.runtime == f"api-{kind}" and 0 < embedder.info.calibration.background < 1
    before = len(server.asked)
    passages = [f"passage number {number} of the harbour" for number in range(300)]
    done: list[int] = []
    vectors = embedder.encode(passages, done.append)
    assert sum(done) == 300 and vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, unit_rows(np.array([vector(t, DIM[kind]) for t in passages])), atol=1e-6)
    query = embedder.encode_query("the harbour")
    np.testing.assert_allclose(query, unit_rows(np.array([vector("the harbour", DIM[kind])]))[0], atol=1e-6)
    asked = server.asked[before:]
    assert max(len(one.texts) for one in asked) <= (96 if kind == "cohere" else 128)
    roles = ("", "") if kind == "openai" else ("document", "query")
    assert {one.role for one in asked[:-1]} == {"passage" if kind == "jina" else roles[0]}
    assert asked[-1].role == roles[1]
    count = len(server.asked)
    assert opened(kind).info == embedder.info and len(server.asked) == count, "measured once"


def test_vectors_of_the_length_that_is_asked_for(kind: str, server: Server) -> None:
    if kind in ("cohere", "voyage"):
        with pytest.raises(Exception, match="was not trained for vectors that can be cut"):
            opened(kind, 256)
        return
    embedder = opened(kind, 256)
    assert embedder.info.dim == 256 and embedder.encode(["a"]).shape == (1, 256)
    assert {one.dim for one in server.asked} == {256}


TWISTS = {
    "too few": (lambda rows: rows[1:], r"sent \d+ vectors of .* for \d+ texts"),
    "too many": (lambda rows: [*rows, rows[0]], r"sent \d+ vectors of .* for \d+ texts"),
    "none": (lambda rows: [], "sent 0 vectors|another form|refuses"),
    "another length": (lambda rows: [row[:100] for row in rows], "sent vectors of 100 numbers"),
    "different lengths": (lambda rows: [row[: 100 + n] for n, row in enumerate(rows)], "something else|lengths"),
    "zeros": (lambda rows: [[0.0] * len(row) for row in rows], "no directions"),
    "not numbers": (lambda rows: [[math.nan] * len(row) for row in rows], "no directions|something else"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", TWISTS)
def test_an_answer_that_cannot_be_the_vectors_is_an_error(kind: str, server: Server, name: str) -> None:
    embedder = opened(kind)
    twist, says = TWISTS[name]
    server.twist = lambda number, rows: twist(rows)
    with pytest.raises(ModelError, match=says):
        embedder.encode(["one text", "another text", "a third"])


def test_a_busy_server_is_asked_again(kind: str, server: Server) -> None:
    embedder = opened(kind)
    first = len(server.asked) + 1
    answers = {first: (429, {"message": "slow down"}, {"retry-after": "0"}), first + 1: (503, {"message": "busy"}, {})}
    server.refuse = lambda number: answers.get(number)
    assert embedder.encode(["one text"]).shape[0] == 1
    assert len(server.asked) == first + 2


REFUSALS = {
    "a wrong key": (401, {"error": {"message": f"wrong key {KEY}"}, "message": f"wrong key {KEY}", "detail": "wrong"},
                    "provider_key", 1),
    "no such model": (404, {"error": {"message": "no such model"}, "message": "no such model", "detail": "no model"},
                      "provider_refused", 1),
    "always busy": (500, {"error": {"message": "down"}, "message": "down"}, "provider_busy", 6),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_say_what_to_do_and_never_the_key(kind: str, server: Server, name: str) -> None:
    embedder = opened(kind)
    status, body, code, attempts = REFUSALS[name]
    before = len(server.asked)
    server.refuse = lambda number: (status, body, {"retry-after": "0"})
    with pytest.raises(ModelError) as caught:
        embedder.encode_query("anything")
    assert caught.value.code == code and caught.value.hint
    assert KEY not in caught.value.message + caught.value.hint
    assert len(server.asked) - before == attempts


def test_a_quota_that_is_used_up_is_not_asked_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with provider("openai", 1536) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("SEMSEARCH_CACHE", str(tmp_path))
        body = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}
        server.refuse = lambda number: (429, body, {})
        with pytest.raises(ModelError, match="gives no more") as caught:
            opened("openai")
        assert caught.value.code == "provider_quota" and len(server.asked) == 1


def test_no_key_and_no_network(kind: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = opened(kind)
    for name in ("OPENAI_BASE_URL", "JINA_BASE_URL", "CO_API_URL", "VOYAGE_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/v1")
    monkeypatch.setattr(api_runtime, "_ATTEMPTS", 2)
    with pytest.raises(ModelError, match="does not answer"):
        opened(kind).encode_query("anything")
    for name in ("OPENAI_API_KEY", "JINA_API_KEY", "CO_API_KEY", "COHERE_API_KEY", "VOYAGE_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ModelError, match="no key for") as caught:
        opened(kind)
    assert caught.value.hint.startswith("set ") and embedder.info.dim == DIM[kind]


def test_a_server_of_ones_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Any server that speaks OpenAI's protocol, by a name that is in no table, without a key."""
    with provider("openai", 48) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url + "/v1")
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        monkeypatch.setenv("SEMSEARCH_CACHE", str(tmp_path))
        embedder = open_model(resolve("openai:nomic-embed-text"), lambda message: None)
        assert embedder.info.dim == 48 and server.asked[0].body["model"] == "nomic-embed-text"
        assert open_recorded(embedder.info, lambda message: None).info == embedder.info


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_an_index_is_made_searched_resumed_and_paid_once(
    kind: str, semsearch: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    write(folder, texts(700, 1))  # type: ignore[arg-type]
    with provider(kind, DIM[kind]) as server:
        environment = {**server.environment(), "SEMSEARCH_CACHE": str(tmp_path / "cache")}
        flags = ("--model", MODELS[kind], "--json")
        dry = semsearch("index", folder, *flags, "--dry-run", env=environment)
        estimate = dry.json["estimate"]
        assert not server.asked and estimate["chunks"] == 700 and estimate["tokens"] > 7000 and estimate["usd"] > 0
        done = semsearch("index", folder, *flags, "--no-embed", env=environment)
        assert done.code == 0 and not server.asked
        # The provider gives up in the middle; what came is kept.
        server.refuse = lambda number: (
            (401, {"message": "key expired"}, {}) if number > 16 + (6 if kind == "cohere" else 4) else None
        )
        done = semsearch("index", folder, "--json", "--model", MODELS[kind], env=environment)
        assert done.code == 2 and "provider_key" in done.err, done.err
        pending = semsearch("status", "-i", folder, "--json").json["chunks"]["pending"]
        assert 0 < pending < 700
        server.refuse = lambda number: None
        sent = len(server.asked)
        done = semsearch("index", "-i", folder, "--json", env=environment)
        assert done.code == 0 and done.json["chunks"]["pending"] == 0, done.err
        assert done.json["chunks"]["encoded"] == pending
        assert sum(len(one.texts) for one in server.asked[sent:]) == pending
        name, text = next(iter(texts(700, 1).items()))
        sent = len(server.asked)
        for count in (1, 1):  # the second time from the cache
            found = semsearch("search", text[:80], "-i", folder, "--json", "-k", "1", env=environment)
            assert found.json["results"][0]["path"] == name and len(server.asked) == sent + count
        # Nothing was sent twice but for what stood beside the request that was refused.
        passages = [text for one in server.asked[16:] if one.role != "query" for text in one.texts]
        assert len(set(passages)) >= 700 - 1
        # A rebuild pays nothing: the vectors are remembered, and kept.
        assert semsearch("index", "-i", folder, "--rebuild", env=environment).code == 0
        other = semsearch("index", folder, "-i", tmp_path / "other", "--model", MODELS[kind], "--json", env=environment)
        assert other.json["chunks"]["total"] == 700 and len(server.asked) == sent + 1


@pytest.mark.slow
def test_answers_beside_one_that_failed_are_kept(server: Server, kind: str) -> None:
    model = opened(kind)
    first = len(server.asked) + 1
    server.refuse = lambda number: (400, {"message": "no", "detail": "no"}, {}) if number == first + 1 else None
    cached_model = cached(model.info, lambda: model, "passages", print)
    passages = [f"passage number {number}" for number in range(500)]
    with pytest.raises(ModelError, match="refuses the request"):
        cached_model.encode(passages)
    server.refuse = lambda number: None
    sent = len(server.asked)
    cached_model.encode(passages)
    answered = sum(len(one.texts) for one in server.asked[first - 1 : sent]) - len(server.asked[first].texts)
    assert sum(len(one.texts) for one in server.asked[sent:]) == 500 - answered


def test_names_go_out_as_the_provider_knows_them(server: Server, kind: str) -> None:
    open_model(resolve(f"{kind}:other-model"), lambda message: None)
    assert {one.body["model"] for one in server.asked} == {"other-model"}


def test_another_server_is_another_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEMSEARCH_CACHE", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with provider("openai", 48) as one, provider("openai", 48) as other:
        monkeypatch.setenv("OPENAI_BASE_URL", one.url + "/v1")
        info = open_model(resolve("openai:mine"), lambda message: None).info
        monkeypatch.setenv("OPENAI_BASE_URL", other.url + "/v1")
        with pytest.raises(ModelError, match="of another server"):
            open_recorded(info, lambda message: None)
        assert not other.asked


@pytest.mark.parametrize(
    ("name", "runtime"), [("all-MiniLM-L6-v2", "api-local"), ("static", "api-packaged"), ("x", "api-openai")]
)
def test_an_index_that_calls_a_local_model_a_providers_sends_nothing(
    name: str, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with provider("openai", 384) as server:
        for variable, value in server.environment().items():
            monkeypatch.setenv(variable, value)
        info = open_model(resolve("static"), lambda message: None).info
        with pytest.raises(ModelError):
            open_recorded(replace(info, name=name, runtime=runtime), lambda message: None)
        assert not server.asked


def test_keys_that_servers_repeat_are_not_printed(kind: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CO_API_KEY")
    monkeypatch.setenv("COHERE_API_KEY", KEY)
    embedder = opened(kind)
    for status in (401, 500):
        server.refuse = lambda number, status=status: (
            status,
            {"message": f"key {KEY}", "detail": KEY},
            {"retry-after": "0"},
        )
        with pytest.raises(ModelError) as caught:
            embedder.encode_query("anything")
        assert KEY not in caught.value.message


@pytest.mark.slow
def test_an_index_that_names_a_provider_sends_nothing_unasked(semsearch: Command, notes: Path, tmp_path: Path) -> None:
    with provider("openai", 1536) as server:
        first = {**server.environment(), "SEMSEARCH_CACHE": str(tmp_path / "cache")}
        assert semsearch("index", notes, "--model", MODELS["openai"], env=first).code == 0
        sent = len(server.asked)
        second = {**first, "SEMSEARCH_CACHE": str(tmp_path / "elsewhere")}
        write(notes, {"new.txt": "Something private.\n"})
        for arguments in (("search", "roses", "-i", notes), ("index", "-i", notes)):
            done = semsearch(*arguments, env=second)
            assert done.code == 2 and "was not prepared on this machine" in done.err, done.err
        assert len(server.asked) == sent


def test_a_word_without_end_is_cut_to_the_window(kind: str, server: Server) -> None:
    """Whatever a token is, it is one character or more: so much the provider takes."""
    embedder = opened(kind)
    before = len(server.asked)
    words, chinese = "tide gate " * 2000, "潮汐水闸" * 300
    embedder.encode(["data:" + "A" * 50_000, words, chinese])
    sent = [text for one in server.asked[before:] for text in one.texts]
    assert len(sent[0]) == embedder.info.window and sent[1:] == [words, chinese]


DEEP = "[" * 100_000 + "]" * 100_000
ODD = {
    "deep": DEEP,
    "a number of many digits": '{"data": ' + "9" * 10_000 + ', "embeddings": ' + "9" * 10_000 + "}",
    "many bytes": "[" + " " * 60_000_000 + "]",
    "other fields": {"data": {"a": 1}, "embeddings": [1]},
    "rows without order": {"data": [{"index": "x", "embedding": "AAAA"}, {"index": 1}], "embeddings": {"float": "x"}},
    "numbers too large": {"data": [{"index": 0, "embedding": [10**400]}], "embeddings": {"float": [[10**400]]}},
}


@pytest.mark.parametrize("name", ODD)
def test_an_answer_of_another_form_is_one_error(kind: str, server: Server, name: str) -> None:
    server.refuse = lambda number: (200, ODD[name], {})
    with pytest.raises(ModelError) as raised:
        opened(kind).encode_query("tides")
    assert raised.value.code in ("provider_answer", "provider_refused", "provider_busy")
    assert len(raised.value.message) < 400


def test_a_redirect_is_not_followed(kind: str, server: Server) -> None:
    server.refuse = lambda number: (307, {}, {"location": server.url + "/elsewhere"})
    with pytest.raises(ModelError):
        opened(kind).encode_query("tides")
    assert len(server.asked) <= 4 * 2


def test_an_answer_that_drips_ends(kind: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_runtime, "_ANSWER_SECONDS", 1.0)
    ended = threading.Event()
    server.refuse = lambda number: (200, {}, {}) if ended.wait(60) else None
    try:
        with pytest.raises(ModelError, match="did not send the vectors"):
            opened(kind).encode_query("tides")
    finally:
        ended.set()
