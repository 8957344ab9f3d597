"""`bench quality`: its figures are those of the searches themselves, judged by the reference implementation."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import ir_measures
import pytest

from semsearch.errors import SemsearchError, UsageError
from semsearch.evaluation.quality import QualityOptions, QualityReport, measure_quality
from semsearch.indexing import IndexOptions, index_folders
from semsearch.store.opening import open_store
from tests.support.beir_folders import beir
from tests.support.commands import Command
from tests.support.folders import write
from tests.support.made_texts import texts


def measure(index: Path | None, **options: object) -> QualityReport:
    chosen = QualityOptions(**{"alphas": (0.3,), **options})  # type: ignore[arg-type]
    return measure_quality(str(index) if index else None, chosen, lambda message: None)


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 80 files, its index, and queries with judgements: a sentence asks for its file."""
    base = tmp_path_factory.mktemp("quality")
    made = texts(80, 4)
    write(base / "folder", made)  # type: ignore[arg-type]
    queries = {f"q{number}": text.split(". ")[number % 4] for number, text in enumerate(list(made.values())[:20])}
    (base / "queries.jsonl").write_text("".join(json.dumps({"_id": q, "text": t}) + "\n" for q, t in queries.items()))
    names = list(made)
    lines = [f"q{number} 0 {names[number]} 2\nq{number} 0 {names[number + 1]} 1" for number in range(20)]
    (base / "qrels.txt").write_text("\n".join(lines) + "\n")
    index_folders([str(base / "folder")], None, IndexOptions(model="static"))
    return base


@pytest.mark.slow
def test_the_figures_are_those_of_search_and_ir_measures(collection: Path, semsearch: Command, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    done = semsearch(
        "bench", "quality", "-i", collection / "folder" / ".semsearch", "--queries", collection / "queries.jsonl",
        "--qrels", collection / "qrels.txt", "--alpha", "0.3", "--runs", runs, "--json",
    )  # fmt: skip
    assert done.code == 0 and done.json["schema"] == "semsearch.bench/1"
    (table,) = done.json["tables"]
    rows = {row["system"]: row for row in table["rows"]}
    assert table["queries"] == 20
    assert set(rows) == {
        "lexical", "dense", "hybrid", "hybrid, no smoothing", "hybrid, no spelling", "hybrid, alpha 0.3", "hybrid, rrf",
    }  # fmt: skip
    assert done.json["known_sentences"] is None, "people's own questions are not mixed with made ones"
    flags = {
        "lexical": ["--mode", "lexical"], "dense": ["--mode", "dense"], "hybrid": [],
        "hybrid, alpha 0.3": ["--alpha", "0.3"], "hybrid, rrf": ["--fusion", "rrf"],
    }  # fmt: skip
    names = {"ndcg@10": "nDCG@10", "mrr@10": "RR@10", "recall@10": "R@10", "recall@100": "R@100", "map": "AP"}
    qrels = list(ir_measures.read_trec_qrels(str(collection / "qrels.txt")))
    for system, chosen in flags.items():
        searched = semsearch(
            "search", "-i", collection / "folder" / ".semsearch", "--queries", collection / "queries.jsonl", "-k", 100,
            "--group", "file", "--format", "trec", "--no-fold", "--min-score", 0, *chosen,
        )  # fmt: skip
        fields = [line.split() for line in searched.out.splitlines()]
        # Ranks, not scores: reciprocal ranks are often equal.
        run = [ir_measures.ScoredDoc(query, document, -float(rank)) for query, _, document, rank, *_ in fields]
        reference = ir_measures.calc_aggregate([ir_measures.parse_measure(n) for n in names.values()], qrels, run)
        for name, theirs in names.items():
            value = rows[system]["metrics"][name]
            assert value["mean"] == pytest.approx(reference[ir_measures.parse_measure(theirs)], abs=6e-5), (
                system,
                name,
            )
            assert value["low"] <= value["mean"] <= value["high"]
        written = (runs / f"labelled.{system.replace(', ', '-').replace(' ', '-')}.run").read_text()
        assert [line.split()[:4] for line in written.splitlines()] == [line[:4] for line in fields]
    assert rows["hybrid"]["p"] is None and all(0 < row["p"] <= 1 for row in table["rows"] if row["p"] is not None)


@pytest.mark.slow
def test_a_gate_that_is_not_reached_is_exit_status_1(collection: Path, semsearch: Command) -> None:
    def gated(*gates: str) -> tuple[int, str]:
        flags = [part for gate in gates for part in ("--fail-under", gate)]
        done = semsearch(
            "bench", "quality", "-i", collection / "folder" / ".semsearch", "--queries", collection / "queries.jsonl",
            "--qrels", collection / "qrels.txt", "--alpha", "0.5", *flags,
        )  # fmt: skip
        return done.code, done.err

    assert gated("recall@10=0.1", "map=0.1")[0] == 0
    code, errors = gated("ndcg@10=0.1", "mrr@10=1")
    assert code == 1 and "mrr@10 of hybrid search is 0." in errors and "ndcg" not in errors


@pytest.mark.slow
def test_without_labels_two_kinds_of_questions_are_reported_apart(collection: Path, semsearch: Command) -> None:
    done = semsearch("bench", "quality", "-i", collection / "folder" / ".semsearch", "--questions", 15, "--json")
    tables = {table["queries_of"]: table for table in done.json["tables"]}
    assert set(tables) == {"known-item", "paraphrase-like"} and all(t["queries"] == 15 for t in tables.values())
    assert any("do not grade the index" in notice for notice in done.json["notices"])
    plain = semsearch("bench", "quality", "-i", collection / "folder" / ".semsearch", "--questions", 15)
    assert "known-item, 15 queries" in plain.out and "hybrid, alpha 0.8" in plain.out
    assert "some words of one sentence, 15 queries" in plain.out
    known = done.json["known_sentences"]
    assert known["questions"] == 15
    for name in ("first", "marked", "shown"):
        assert 0 < known[name]["mean"] <= 1 and known[name]["low"] <= known[name]["mean"] <= known[name]["high"]


@pytest.mark.slow
def test_what_tune_learnt_is_measured_apart(collection: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    shutil.copytree(collection / "folder" / ".semsearch", index)
    made = texts(80, 4)
    queries = {f"q{number}": text.split(". ")[1] for number, text in enumerate(list(made.values())[:20])}
    qrels = {name: {list(made)[number]: 1} for number, name in enumerate(queries)}
    before = measure(index, queries=queries, qrels=qrels).tables[0]
    with open_store(str(index)).write() as writer, writer.transaction() as transaction:
        weights = {"meaning": 3.0, "neighbours": 1.0, "letters": 0.0, "questions": 40}
        transaction.update(replace(writer.snapshot().info(), fusion=weights))
    after = measure(index, queries=queries, qrels=qrels).tables[0]
    assert after.row("hybrid").estimates != before.row("hybrid").estimates
    assert after.row("hybrid, untuned").estimates == before.row("hybrid").estimates
    assert after.row("hybrid, no spelling").estimates == after.row("hybrid").estimates, "it counts nothing here"
    assert not any(row.system == "hybrid, untuned" for row in before.rows)


@pytest.mark.slow
def test_a_beir_folder_without_an_index_is_indexed_for_the_occasion(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMSEARCH_MODEL", "static")
    made = texts(40, 5)
    ids = [name[:-4] for name in made]
    folder = beir(
        tmp_path / "tiny",
        dict(zip(ids, (("", text) for text in made.values()), strict=True)),
        {str(number): text.split(". ")[1] for number, text in enumerate(made.values())},
        [f"{number}\t{document}\t1" for number, document in enumerate(ids)],
    )
    report = measure(None, beir=str(folder), dims=(32,), models=("static",))
    (table,) = report.tables
    assert table.name == "tiny" and table.queries == 40
    assert table.row("lexical").estimates["recall@10"].mean > 0.9
    # The same model again is the same index again; fewer numbers find less, but find.
    for mode in ("dense", "hybrid"):
        assert table.row(f"static: {mode}").estimates == table.row(mode).estimates
    assert table.row("static: hybrid").p == 1
    assert table.row("32 numbers: dense").estimates["ndcg@10"].mean > 0.3
    assert table.row("32 numbers: dense").estimates != table.row("dense").estimates
    assert sorted(path.name for path in folder.iterdir()) == ["corpus.jsonl", "qrels", "queries.jsonl"]


def test_an_index_without_vectors_is_measured_by_words(tmp_path: Path) -> None:
    write(tmp_path / "folder", texts(30, 6))  # type: ignore[arg-type]
    index_folders([str(tmp_path / "folder")], None, IndexOptions(model="static", embed=False))
    report = measure(tmp_path / "folder" / ".semsearch", questions=10)
    assert [[row.system for row in table.rows] for table in report.tables] == [["lexical"], ["lexical"]]
    assert report.notices[-1] == "the index holds no vectors: only words are searched"


def test_too_little_text_to_ask_about_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "notes", {"a.txt": "The ferry leaves at ten.\n"})
    index_folders([str(tmp_path / "notes")], None, IndexOptions(model="static"))
    with pytest.raises(SemsearchError, match="too short to make questions"):
        measure(tmp_path / "notes" / ".semsearch")


def test_judgements_of_other_documents_are_an_error(collection: Path, tmp_path: Path) -> None:
    index = collection / "folder" / ".semsearch"
    with pytest.raises(UsageError, match="the judged document is not in the index"):
        measure(index, queries={"q": "boats"}, qrels={"q": {"elsewhere.txt": 1}})
    with pytest.raises(UsageError, match="no query has a judgement"):
        measure(index, queries={"q": "boats"}, qrels={"p": {"4-1.txt": 1}})
    report = measure(index, queries={"q": "boats"}, qrels={"q": {"elsewhere.txt": 1, "4-1": 1}})
    assert any("1 of 2 judged documents is not in the index" in notice for notice in report.notices)
