"""What an index is to record, from what it records and the flags of a run: pure, and nothing is written."""

from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from semsearch import settings
from semsearch.embedding.resolve import resolve
from semsearch.errors import SemsearchError, UsageError
from semsearch.indexing import IndexOptions, Progress
from semsearch.indexing.resolved_settings import (
    ResolvedSettings,
    asked_chunking,
    chunking_of_new,
    resolve_settings,
    run_model,
    walk_rules,
    with_roots,
)
from semsearch.sources.walk_rules import WalkRules
from semsearch.store.opening import open_store
from semsearch.store.protocol import Snapshot
from semsearch.store.records import Chunking, IndexInfo, Root


def resolved(snapshot: Snapshot, **flags: object) -> ResolvedSettings:
    options = IndexOptions(**flags)  # type: ignore[arg-type]
    return resolve_settings(snapshot, options, run_model(snapshot.info(), options, Progress()), "/i")


def test_a_bare_run_changes_nothing(snapshot: Snapshot) -> None:
    found = resolved(snapshot)
    assert found.info == found.recorded == snapshot.info()
    assert not found.drop_vectors and not found.new_readers.any
    assert found.chunking == snapshot.info().chunking


def test_flags_stand_over_what_is_recorded(snapshot: Snapshot) -> None:
    rules = resolved(snapshot, hidden=True, exclude=("*.log",)).info.rules
    assert rules is not None and rules.hidden and rules.exclude == ("*.log",) and not rules.follow
    again = walk_rules(rules, IndexOptions(follow=True))
    assert again.hidden and again.follow and again.exclude == ("*.log",)
    assert walk_rules(None, IndexOptions()).as_dict() == WalkRules().as_dict()


@pytest.mark.parametrize(
    ("flags", "different"),
    [
        ({"chunk_size": 40}, "size"), ({"overlap": 3}, "overlap"), ({"dim": 64}, "length of vectors"),
        ({"model": "all-MiniLM-L6-v2"}, "model"), ({"model": "all-MiniLM-L6-v2", "overlap": 3}, "model and overlap"),
    ],
)  # fmt: skip
def test_what_needs_a_rebuild_is_refused_with_the_command_for_it(
    snapshot: Snapshot, flags: dict[str, object], different: str
) -> None:
    with pytest.raises(SemsearchError, match=rf"was made with another {different}(: \S+, not \S+)?$") as caught:
        resolved(snapshot, **flags)
    assert caught.value.code == "settings_mismatch"
    for name, value in flags.items():
        assert f"--{name.replace('_', '-')} {value}" in caught.value.hint
    found = resolved(snapshot, rebuild=True, **flags)
    assert found.info.generation == snapshot.info().generation + 1
    assert found.drop_vectors == ("model" in flags or "dim" in flags)
    assert (found.info.model is None) == found.drop_vectors


def test_what_tune_learnt_goes_with_the_vectors(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    info = replace(snapshot.info(), adapter={"questions": 40}, fusion={"meaning": 1.4})
    monkeypatch.setattr(snapshot, "info", lambda: info)
    kept = resolved(snapshot, rebuild=True, chunk_size=40).info
    assert (kept.adapter, kept.fusion) == ({"questions": 40}, {"meaning": 1.4})
    dropped = resolved(snapshot, rebuild=True, model="all-MiniLM-L6-v2").info
    assert (dropped.adapter, dropped.fusion) == (None, None)


def test_readers_that_learnt_to_read_more_are_noticed(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "READERS_VERSION", 10_000)
    assert resolved(snapshot).new_readers.any


def test_a_new_index_takes_the_defaults_of_its_model(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "new")).write() as writer:
        found = resolved(writer.snapshot(), model="static", chunk_size=99)
    assert (found.info.model_name, found.info.model, found.info.generation) == ("static", None, 1)
    assert found.chunking == Chunking(99, None, None, settings.ANALYSIS_VERSION)
    assert not found.new_readers.any


def test_a_model_behind_an_api_is_measured_by_another_tokenizer_where_that_is_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = resolve("text-embedding-3-small")
    monkeypatch.setattr("semsearch.indexing.resolved_settings.tiktoken_named", lambda name: None)
    assert chunking_of_new(IndexOptions(), source).tokenizer == "cl100k_base"

    def missing(name: str) -> None:
        raise UsageError("its vocabulary is not here")

    monkeypatch.setattr("semsearch.indexing.resolved_settings.tiktoken_named", missing)
    assert chunking_of_new(IndexOptions(), source).tokenizer is None
    assert chunking_of_new(IndexOptions(tokenizer="o200k_base"), source).tokenizer == "o200k_base"
    recorded = Chunking(50, 5, None, 1)
    assert asked_chunking(recorded, IndexOptions(overlap=9), source) == Chunking(50, 9, None, 1)


def test_an_api_without_its_key_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with open_store(str(tmp_path / "new")).write() as writer, pytest.raises(SemsearchError) as caught:
        resolved(writer.snapshot(), model="text-embedding-3-small")
    assert caught.value.code == "provider_key"


def test_each_folder_gets_a_label_of_its_own() -> None:
    ids = count(1)
    info = with_roots(IndexInfo(), ["/a/notes", "/b/notes", "/a/notes", "/c/notes"], "", lambda: next(ids))
    assert info.roots == (
        Root(1, "/a/notes", "notes"), Root(2, "/b/notes", "notes-2"), Root(3, "/c/notes", "notes-3"),
    )  # fmt: skip
    assert with_roots(info, ["/b/notes"], "", lambda: next(ids)) == info
    assert with_roots(IndexInfo(), ["/"], "", lambda: 7).roots == (Root(7, "/", "root"),)
    # The same path on another machine is another folder.
    assert with_roots(info, ["/b/notes"], "host", lambda: 9).roots[3:] == (Root(9, "/b/notes", "notes-4", "host"),)
