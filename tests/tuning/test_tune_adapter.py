"""An adapter is learnt where there is something to learn, judged on questions it did not see, and refused otherwise."""

import json
import random
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from semsearch.dense.query_adapter import Adapter
from semsearch.embedding.embedder import unit_rows
from semsearch.errors import IndexDamagedError, SemsearchError, UsageError
from semsearch.indexing import IndexOptions, index_folders
from semsearch.indexing.options import Progress
from semsearch.maintenance.verification import verify
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.store.local.catalog import Catalog
from semsearch.tuning.adapter_learning import folds, learn_adapter
from semsearch.tuning.comparison import TuneReport
from semsearch.tuning.dropping import drop_learnt
from semsearch.tuning.question_source import QuestionSource
from semsearch.tuning.tune_adapter import tune_adapter
from tests.support.commands import Command
from tests.support.folders import write
from tests.support.jargon import documents, questions, silent


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("tune")
    write(base / "folder", documents())
    index_folders([str(base / "folder")], str(base / "index"), IndexOptions(model="static"))
    return base / "index"


@pytest.fixture
def index(original: Path, tmp_path: Path) -> Path:
    import shutil

    shutil.copytree(original, tmp_path / "index")
    return tmp_path / "index"


def tune(index: Path, dry_run: bool = False) -> TuneReport:
    queries, qrels = questions()
    return tune_adapter(str(index), QuestionSource(queries=queries, qrels=qrels), silent, silent, dry_run=dry_run)


def first(index: Path, query: str) -> str:
    with Searcher(str(index)) as searcher:
        return searcher.search(query, SearchOptions(mode="dense", min_score=0)).hits[0].path


@pytest.mark.slow
def test_what_words_mean_here_is_learnt_and_can_be_dropped(index: Path) -> None:
    query = "which violin needs paint near the pier"
    before = first(index, query)
    assert not before.startswith("battery-4")
    dry = tune(index, dry_run=True)
    assert dry.better and not dry.changed and first(index, query) == before
    report = tune(index)
    assert report.changed and report.questions == 64
    dense, hybrid = report.rows
    assert dense.difference.low > 0.05 and hybrid.difference.mean >= 0 and dense.p < 0.01
    assert first(index, query).startswith("battery-4")
    assert not verify(str(index), False, False, lambda message: None).problems
    assert drop_learnt(str(index), False) and not drop_learnt(str(index), False)
    assert first(index, query) == before


@pytest.mark.slow
def test_nothing_is_kept_where_there_is_nothing_to_learn(index: Path) -> None:
    """Answers drawn by lot: what is learnt of some questions says nothing about others."""
    queries, qrels = questions()
    files, chance = sorted(documents()), random.Random(3)
    lots = {name: {chance.choice(files): 1} for name in qrels}
    report = tune_adapter(str(index), QuestionSource(queries=queries, qrels=lots), silent, silent)
    assert not report.better and not report.changed
    assert Catalog.read(str(index), lambda catalog: catalog.setting("adapter")) is None


@pytest.mark.slow
def test_another_model_drops_what_was_learnt(index: Path) -> None:
    tune(index)
    assert Catalog.read(str(index), lambda catalog: catalog.setting("adapter"))
    told: list[str] = []
    options = IndexOptions(model="all-MiniLM-L6-v2", rebuild=True)
    index_folders([], str(index), options, Progress(announce=told.append))
    assert any("tune again" in message for message in told)
    assert Catalog.read(str(index), lambda catalog: catalog.setting("adapter")) is None


@pytest.mark.slow
def test_too_little_or_nothing_to_learn_from(index: Path, notes: Path, tmp_path: Path) -> None:
    queries, qrels = questions()
    few = dict(list(qrels.items())[:10])
    with pytest.raises(UsageError, match="10 questions are too few"):
        tune_adapter(str(index), QuestionSource(queries=queries, qrels=few), silent, silent)
    index_folders([str(notes)], str(tmp_path / "words"), IndexOptions(embed=False))
    with pytest.raises(SemsearchError):
        tune_adapter(str(tmp_path / "words"), QuestionSource(queries=queries, qrels=qrels), silent, silent)


@pytest.mark.slow
def test_the_command(semsearch: Command, index: Path, tmp_path: Path) -> None:
    queries, qrels = questions()
    (tmp_path / "q.jsonl").write_text("".join(json.dumps({"_id": n, "text": t}) + "\n" for n, t in queries.items()))
    (tmp_path / "judged.tsv").write_text(
        "".join(f"{name} 0 {document} {gain}\n" for name, of in qrels.items() for document, gain in of.items())
    )
    flags = ("--queries", tmp_path / "q.jsonl", "--qrels", tmp_path / "judged.tsv", "-i", index)
    done = semsearch("tune", "--adapter", *flags, "--dry-run", "--json")
    assert done.code == 0 and done.json["schema"] == "semsearch.tune/1" and done.json["better"]
    assert [row["search"] for row in done.json["rows"]] == ["dense", "hybrid"]
    done = semsearch("tune", *flags, "--wait")
    assert done.code == 0 and "64 questions" in done.out and "better" in done.out
    assert semsearch("status", "-i", index, "--json").json["tuned"] == 64
    assert "tuned on 64 questions" in semsearch("status", "-i", index).out
    assert semsearch("tune", "--drop", "--dry-run", "-i", index).code == 2
    assert semsearch("tune", "--drop", "-i", index).code == 0
    assert semsearch("status", "-i", index, "--json").json["tuned"] is None
    (tmp_path / "broken.jsonl").write_text((tmp_path / "q.jsonl").read_text() + "not json\n")
    done = semsearch("tune", "--queries", tmp_path / "broken.jsonl", *flags[2:])
    assert done.code == 2 and "line 65" in done.err
    contents = {name: str(text) for name, text in documents().items()}
    lines = [{"query": queries[name], "positive": contents[file]} for name, of in qrels.items() for file in of]
    lines.append({"query": "which moon", "positive": "Nothing of the kind is written anywhere, not even in Latin."})
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = semsearch("tune", "--pairs", tmp_path / "pairs.jsonl", "-i", index)
    assert done.code == 0 and "64 questions" in done.out and "1 of 257 texts is no passage" in done.err, done.err
    (tmp_path / "pairs.jsonl").write_text('{"query": "x"}\n')
    assert "line 1: not a pair" in semsearch("tune", "--pairs", tmp_path / "pairs.jsonl", "-i", index).err
    assert semsearch("tune", "--drop", "-i", index).code == 0
    assert semsearch("tune", "--queries", "x", "-i", index).code == 2
    assert semsearch("tune", "--beir", tmp_path, "-i", index).code == 2
    done = semsearch("tune", "--questions", "30", "--dry-run", "-i", index)
    assert done.code in (0, 1, 2) and "Traceback" not in done.err


@pytest.mark.parametrize("value", ['{"matrix": "AAAA"}', '{"dim": 3}', '{"matrix": 7}', "[1]"])
def test_an_adapter_that_is_none_is_damage(index: Path, value: str) -> None:
    with sqlite3.connect(index / "catalog.db") as connection:
        connection.execute("INSERT OR REPLACE INTO settings VALUES ('adapter', ?)", (value,))
    connection.close()
    (index / "catalog.crc").unlink()
    with pytest.raises(IndexDamagedError, match="adapter"):
        first(index, "which violin needs paint")
    drop_learnt(str(index), False)
    assert first(index, "which violin needs paint")


def test_each_question_is_held_out_once() -> None:
    for count in (5, 23, 100):
        parts = folds(count, 5)
        assert sorted(int(n) for test, _ in parts for n in test) == list(range(count))
        assert all(not set(test.tolist()) & set(rest.tolist()) for test, rest in parts)


def test_a_round_trip_and_unit_rows() -> None:
    rng = np.random.default_rng(0)
    passages = unit_rows(rng.normal(size=(50, 16)))
    queries = unit_rows(rng.normal(size=(30, 16)))
    adapter = learn_adapter(queries, passages, np.eye(30, 50, dtype=np.float32))
    again = Adapter.from_record(json.loads(json.dumps(adapter.as_record())), 16)
    np.testing.assert_allclose(again(queries), adapter(queries), atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(adapter(queries), axis=1), 1, rtol=1e-5)
    gain = (adapter(queries) * passages[:30]).sum(1).mean() - (queries * passages[:30]).sum(1).mean()
    assert gain > 0.1
