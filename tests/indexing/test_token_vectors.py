"""`index --token-vectors`: what is missing is made, also after an interrupt, and searches use what is kept."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from semsearch.embedding.late_interaction import LateInteraction
from semsearch.errors import IndexDamagedError, ModelError, TokenVectorsDamagedError
from semsearch.index_report import IndexReport
from semsearch.indexing import IndexOptions, Progress, index_folders
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.store.local import token_vectors
from semsearch.store.local.token_vector_file import TOKEN_VECTORS_FILE
from tests.support.folders import write
from tests.support.local_index import sql
from tests.support.tiny_models import WORDS, make_late_interaction

pytestmark = pytest.mark.slow

PLAIN = SearchOptions(k=20, fold=False, min_score=0)


def texts(count: int, seed: int = 7) -> dict[str, str]:
    chance = random.Random(seed)
    return {f"{seed}-{n}.txt": " ".join(chance.choice(WORDS) for _ in range(30)) + "\n" for n in range(count)}


@pytest.fixture
def model(made_once: Callable[[str, Callable[[Path], Path]], Path], monkeypatch: pytest.MonkeyPatch) -> str:
    """A small late interaction model, prepared once, in the cache of all tests."""
    return str(made_once("late-kept", lambda content: make_late_interaction(content, "native")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "folder", texts(40))
    return tmp_path / "folder"


def run(folder: Path, said: list[str] | None = None, **options: object) -> IndexReport:
    progress = Progress(announce=(said if said is not None else []).append)
    chosen = IndexOptions(**options)  # type: ignore[arg-type]
    return index_folders([str(folder)], None, chosen, progress)


def kept(folder: Path) -> Path:
    return folder / ".semsearch" / TOKEN_VECTORS_FILE


def test_all_passages_get_theirs_and_later_runs_add_what_is_new(folder: Path, model: str) -> None:
    said: list[str] = []
    run(folder, model="static", token_vectors=model, dry_run=True)
    assert not kept(folder).exists()
    report = run(folder, said, model="static", token_vectors=model)
    assert report.token_vectors == {"made": 40, "left": 0}
    assert "token vectors of 40 passages made" in report.summary()
    (told,) = [line for line in said if line.startswith("keeping token vectors of 40 passages")]
    assert f"for {model}: about" in told and "tokens," in told and told.endswith(" s")
    again = run(folder)
    assert again.token_vectors == {"made": 0, "left": 0} and "token vectors" not in again.summary()
    (folder / "7-0.txt").unlink()
    write(folder, texts(3, seed=8))
    said.clear()
    later = run(folder, said, prune=True)
    assert later.token_vectors == {"made": 3, "left": 0} and not said, "so few need no announcement"
    assert run(folder, token_vectors="").token_vectors is None and not kept(folder).exists()
    assert run(folder).token_vectors is None


def test_a_search_takes_what_is_kept_and_ranks_as_without_it(
    folder: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(folder, model="static")
    options = replace(PLAIN, rerank=model)
    with Searcher(str(folder)) as searcher:
        made = searcher.search("the pump valve", options).hits
        run(folder, token_vectors=model)
        encoded: list[str] = []
        encode = LateInteraction.encode

        def watched(self: LateInteraction, texts: list[str]) -> object:
            encoded.extend(texts)
            return encode(self, texts)

        monkeypatch.setattr(LateInteraction, "encode", watched)
        stored = searcher.search("the pump valve", options).hits
        assert not encoded, "no passage is encoded"
        assert [hit.chunk_id for hit in stored] == [hit.chunk_id for hit in made]
        np.testing.assert_allclose([hit.score for hit in stored], [hit.score for hit in made], atol=2e-3)
        assert all(hit.rerank == hit.score and 0 <= hit.score <= 1 for hit in stored)
        write(folder, texts(1, seed=9))
        run(folder, embed=False)
        searcher.search("the pump valve", options)
        assert len(encoded) <= 1, "what is new is encoded for the search"
        kept(folder).write_bytes(b"x" * 5000)
        result = searcher.search("the pump valve", options)
        assert len(encoded) >= 20 and any("cannot be used" in notice for notice in result.notices)
        assert len(result.hits) == 20


def test_coded_token_vectors_rank_nearly_as_exact_ones(
    folder: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_vectors, "ENOUGH", 1_000)
    run(folder, model="static")
    options = replace(PLAIN, rerank=model)
    with Searcher(str(folder)) as searcher:
        exact = {hit.chunk_id: hit.score for hit in searcher.search("old house tide", options).hits}
        run(folder, token_vectors=model)
        coded = {hit.chunk_id: hit.score for hit in searcher.search("old house tide", options).hits}
    both = sorted(exact.keys() & coded.keys())
    assert len(both) >= 15
    assert np.corrcoef([exact[one] for one in both], [coded[one] for one in both])[0, 1] > 0.8


def test_a_run_that_is_stopped_keeps_what_it_made_and_the_next_goes_on(folder: Path, model: str) -> None:
    run(folder, model="static")
    stopped = index_folders([str(folder)], None, IndexOptions(token_vectors=model), Progress(stopping=lambda: True))
    assert stopped.token_vectors == {"made": 16, "left": 24}, "a run does something, however short its time"
    assert "token vectors of 24 passages left to the next run" in stopped.summary()
    assert run(folder).token_vectors == {"made": 24, "left": 0}


def test_an_interrupt_keeps_what_was_committed(folder: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run(folder, model="static")
    calls: list[int] = []
    encode = LateInteraction.encode

    def interrupted(self: LateInteraction, *arguments: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return encode(self, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(LateInteraction, "encode", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(folder, token_vectors=model)
    assert run(folder).token_vectors == {"made": 24, "left": 0}


def test_another_model_and_a_rebuild_begin_anew(folder: Path, model: str, tmp_path: Path) -> None:
    run(folder, model="static", token_vectors=model)
    other = str(make_late_interaction(tmp_path / "other", "pylate", dim=8))
    assert run(folder, token_vectors=other).token_vectors == {"made": 40, "left": 0}
    assert run(folder, token_vectors=other).token_vectors == {"made": 0, "left": 0}
    assert run(folder, rebuild=True, model="static").token_vectors == {"made": 40, "left": 0}


def test_a_damaged_file_is_removed_or_made_anew(folder: Path, model: str) -> None:
    run(folder, model="static", token_vectors=model)
    kept(folder).write_bytes(b"x" * 5000)
    said: list[str] = []
    assert run(folder, said).token_vectors is None and not kept(folder).exists()
    assert len(said) == 1 and str(kept(folder)) in said[0] and "--token-vectors MODEL" in said[0]
    run(folder, token_vectors=model)
    kept(folder).write_bytes(b"x" * 5000)
    said.clear()
    assert run(folder, said, token_vectors=model).token_vectors == {"made": 40, "left": 0}
    assert "it is made anew" in said[0]


def test_a_damaged_passage_is_no_fault_of_the_token_vectors(folder: Path, model: str) -> None:
    run(folder, model="static", token_vectors=model)
    write(folder, texts(2, seed=8))
    run(folder, embed=False)
    sql(folder / ".semsearch", "UPDATE chunks SET text = 'another' WHERE id = (SELECT MAX(id) FROM chunks)")
    with pytest.raises(IndexDamagedError) as damage:
        run(folder)
    assert not isinstance(damage.value, TokenVectorsDamagedError) and kept(folder).exists()


def test_a_model_that_only_the_index_names_is_not_prepared(
    folder: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(folder, model="static", token_vectors=model)
    write(folder, texts(2, seed=8))
    monkeypatch.setattr("semsearch.indexing.token_vectors.open_prepared", lambda recorded: None)
    said: list[str] = []
    assert run(folder, said).token_vectors == {"made": 0, "left": 2}
    assert len(said) == 1 and "was not prepared on this machine" in said[0]
    assert run(folder, rebuild=True, model="static").token_vectors == {"made": 0, "left": 2}, "no others are lost"


def test_what_makes_no_token_vectors_is_refused_before_anything_is_written(
    folder: Path, cross_encoder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="is a cross-encoder: it has no token vectors"):
        run(folder, model="static", token_vectors=str(cross_encoder))
    odd = make_late_interaction(tmp_path / "odd", "native", dim=18)
    with pytest.raises(ModelError, match="makes token vectors of 18 numbers: a multiple of 4 is needed"):
        run(folder, model="static", token_vectors=str(odd))
    with pytest.raises(ModelError, match="no reranker called nonesuch"):
        run(folder, model="static", token_vectors="nonesuch")
    assert not (folder / ".semsearch").exists()
