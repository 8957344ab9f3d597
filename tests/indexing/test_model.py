"""The model of a run is found when it is needed, and must be the one that made the index's vectors."""

from dataclasses import replace
from pathlib import Path

import pytest

from semsearch.embedding.gpu_embedder import GpuEmbedder
from semsearch.errors import ModelError, UsageError
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


def test_the_processor_encodes_unless_a_gpu_is_worth_it_or_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    run = model("all-MiniLM-L6-v2")
    plain = run.embedder(None)
    monkeypatch.setenv("SEMSEARCH_DEVICE", "cpu")
    assert run.passage_encoder(None, 10**6) is plain
    monkeypatch.delenv("SEMSEARCH_DEVICE")
    assert run.passage_encoder(None, 4_095) is plain and run.release_gpu() == ""
    monkeypatch.setenv("SEMSEARCH_DEVICE", "gpu")
    with pytest.raises(UsageError):
        run.passage_encoder(None, 1)


@pytest.mark.slow
def test_a_gpu_that_is_asked_for_and_not_there_is_told_once_the_model_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SEMSEARCH_DEVICE", "cuda:99")
    monkeypatch.setenv("SEMSEARCH_PASSAGE_CACHE", "0")
    told: list[str] = []
    run = RunModel("all-MiniLM-L6-v2", None, False, True, told.append)
    embedder = run.passage_encoder(None, 1)
    assert told == [], "every passage may be in the cache"
    for _ in range(2):
        assert (embedder.encode(["tide"]) == run.embedder(None).encode(["tide"])).all()
    assert len(told) == 1 and told[0].startswith("cannot encode on the device cuda:99 ("), told
    assert run.release_gpu() == ""


@pytest.mark.slow
def test_the_device_of_a_run_is_that_which_encoded_and_is_free_after_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor stands in for a GPU, in a process of its own."""
    monkeypatch.setenv("SEMSEARCH_PASSAGE_CACHE", "0")
    run = model("all-MiniLM-L6-v2")
    encoder = run._opened_on_gpu(run.embedder(None), "cpu")
    assert isinstance(encoder, GpuEmbedder) and run.release_gpu() == ""
    encoder = run._opened_on_gpu(run.embedder(None), "cpu")
    assert isinstance(encoder, GpuEmbedder) and encoder.encode(["tide"]).shape == (1, 384)
    assert encoder._process is not None
    process = encoder._process._process
    del encoder
    assert process.poll() is None and run.release_gpu() == "cpu"
    assert process.poll() is not None, "it has let go of the memory of the device"


def test_models_that_no_gpu_encodes_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMSEARCH_DEVICE", "cuda")
    told: list[str] = []
    run = RunModel("static", None, False, True, told.append)
    assert run.passage_encoder(None, 1) is run.embedder(None)
    assert told == ["--device cuda: static runs on the processor, as all vectors of tokens"]
    run = RunModel("all-MiniLM-L6-v2", None, False, True, told.append)
    source = run.source
    run.source = replace(source, folder=source.cache_path())  # as a model that was imported
    assert run.passage_encoder(None, 1) is run.embedder(None)
    assert told[1:] == [
        "--device cuda: the weights of all-MiniLM-L6-v2 are not on this machine: encoding on the processor"
    ]
