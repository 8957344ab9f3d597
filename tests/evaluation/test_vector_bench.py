"""`bench vectors`: what it measures is what FAISS does when it is called directly."""

from contextlib import closing
from pathlib import Path

import faiss
import numpy as np
import pytest

from semsearch.embedding.open import open_recorded
from semsearch.evaluation.vector_bench import VectorsReport, VectorsRow, advice, measure_vectors
from semsearch.indexing import IndexOptions, index_folders
from semsearch.retrieval.query_sentences import held_out_queries
from semsearch.store.local.reader import OpenSnapshot
from tests.support.commands import Command
from tests.support.folders import write
from tests.support.made_texts import texts


def measure(index: Path, sample: int = 10_000, queries: int = 60) -> VectorsReport:
    return measure_vectors(str(index), sample, queries, lambda message: None)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vector_bench") / "folder"
    write(folder, texts(700, 7))  # type: ignore[arg-type]
    index_folders([str(folder)], None, IndexOptions(model="static"))
    return folder / ".semsearch"


@pytest.mark.slow
def test_recall_and_size_are_those_of_faiss_on_the_same_vectors(index: Path) -> None:
    report = measure(index)
    with closing(OpenSnapshot(str(index))) as snapshot:
        held = np.concatenate(
            [s.vectors.vectors(np.arange(len(s.ids))) for s in snapshot.dense_segments()]
        )  # fmt: skip
        model = snapshot.info().model
        assert model is not None
        embedder = open_recorded(model, lambda message: None)
        asked = np.stack([embedder.encode_query(text) for text in held_out_queries(snapshot, 60)])
    assert (report.vectors, report.total, report.queries) == (len(held), len(held), len(asked)) == (700, 700, 60)
    exact = faiss.IndexFlatIP(held.shape[1])
    exact.add(held)
    nearest = exact.search(asked, 10)[1]
    rows = {(row.name, row.metric): row for row in report.rows}
    for name in ("Flat", "SQfp16", "SQ8", "SQ4"):
        direct = faiss.index_factory(held.shape[1], name, faiss.METRIC_INNER_PRODUCT)
        direct.train(held)
        direct.add(held)
        found = direct.search(asked, 10)[1]
        recall = np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(found, nearest, strict=True)])
        # Vectors that are equal may come in either order.
        assert rows[name, "cosine"].recall == pytest.approx(recall, abs=0.01)
        assert rows[name, "cosine"].size == len(faiss.serialize_index(direct))
    for metric in ("cosine", "dot", "L2"):
        assert rows["Flat", metric].recall > 0.99
    assert rows["binary + rescoring x 100", "cosine"].recall >= rows["binary + rescoring x 10", "cosine"].recall > 0.7
    assert rows["binary + rescoring x 10", "cosine"].size == 700 * held.shape[1] // 8
    for row in report.rows:
        assert 0 < row.p50 <= row.p95 and row.build >= 0 and 0 <= row.recall <= 1, row
    assert any(name.startswith("IVF") for name, _ in rows) and any("ScaNN" in name for name, _ in rows)
    assert any(notice.startswith("IVF-PQ is left out") for notice in report.notices)


def test_a_sample_is_said_to_be_one(index: Path) -> None:
    report = measure(index, sample=200, queries=20)
    assert report.vectors <= 200 and report.total == 700
    assert report.notices[0] == f"{report.vectors} of 700 vectors were measured (--sample)"


def test_two_vectors_are_enough(tmp_path: Path, semsearch: Command) -> None:
    write(tmp_path / "few", {"a.txt": "Water the tomatoes every morning.\n", "b.txt": "The ferry leaves at ten.\n"})
    index_folders([str(tmp_path / "few")], None, IndexOptions(model="static"))
    done = semsearch("bench", "vectors", "-i", tmp_path / "few" / ".semsearch", "--json")
    assert done.code == 0 and done.json["vectors"] == 2
    assert all(row["recall_at_10"] == 1 for row in done.json["rows"] if row["name"] != "SQ4")


def row(name: str, seconds: float, recall: float, command: str | None = "semsearch quantize x") -> VectorsRow:
    return VectorsRow(name, "cosine", 0, 0, seconds, seconds, recall, command)


def test_the_advice_is_the_fastest_that_finds_nearly_all_where_speed_would_be_noticed() -> None:
    rows = [
        row("SQfp16", 0.02, 1), row("quick", 0.001, 0.995), row("quicker", 0.0005, 0.98),
        row("not kept by an index", 0.0001, 1, None),
    ]  # fmt: skip
    assert advice(rows, 1).startswith("quick: 1.0 ms a query, 20.0 times as fast")
    assert advice([row("SQfp16", 0.002, 1), rows[1]], 1).startswith("float16, exact (the default): 2.0 ms")
    assert advice([row("SQfp16", 0.002, 1), rows[1]], 10).startswith("quick")
    assert advice([rows[0], rows[2]], 1).startswith("float16, exact: 20.0 ms a query; nothing much faster")
