"""The model of a run is found when it is needed, and must be the one that made the index's vectors."""

from dataclasses import replace
from pathlib import Path

import pytest

from semsearch.errors import ModelError
from semsearch.indexing.model import RunModel
from semsearch.store.protocol import Snapshot


def model(name: str = "static", dim: int | None = None) -> RunModel:
    return RunModel(name, dim, False, True, lambda message: None)


def test_nothing_is_looked_for_before_it_is_needed(snapshot: Snapshot) -> None:
    absent = model("no-such-model")
    for ask in (lambda: absent.source, lambda: absent.embedder(None), lambda: absent.tokenizer(lambda: None)):
        with pytest.raises(ModelError, match="no-such-model"):
            ask()


def test_vectors_of_another_model_do_not_stand_beside(snapshot: Snapshot) -> None:
    recorded = snapshot.info().model
    assert recorded is not None
    assert not model().differs(recorded, None)
    assert model(dim=64).differs(recorded, None) and not model(dim=64).differs(recorded, 64)
    assert model("all-MiniLM-L6-v2").differs(recorded, None)
    assert model().differs(replace(recorded, fingerprint="0" * 64), None)


def test_it_is_opened_once_and_checked_against_the_record(snapshot: Snapshot) -> None:
    recorded = snapshot.info().model
    assert recorded is not None
    run = model()
    assert run.embedder(recorded) is run.embedder(recorded)
    assert run.embedder(recorded).info.same_vectors(recorded)
    with pytest.raises(ModelError):
        model().embedder(replace(recorded, fingerprint="0" * 64, dim=99))


def test_the_tokenizer_needs_no_open_model() -> None:
    run = model("all-MiniLM-L6-v2")
    path, window = run.tokenizer(lambda: pytest.fail("the model's folder says it"))
    assert Path(path).is_file() and window == 256


def test_passages_are_looked_up_in_the_cache_of_a_model_that_is_slow() -> None:
    run = model("all-MiniLM-L6-v2")
    first = run.embedder(None)
    assert type(first).__name__ == "CachedEmbedder"
    again = model("all-MiniLM-L6-v2").embedder(first.info)
    assert again.info == first.info and type(again).__name__ == "CachedEmbedder"
    assert type(model().embedder(None)).__name__ != "CachedEmbedder", "the static one is faster than a look-up"
