"""Searches by learned sparse vectors rank as their model does, and beside words as much as their model is known to be
worth."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from semsearch.embedding.model_info import Calibration
from semsearch.evaluation.quality import QualityOptions, measure_quality
from semsearch.indexing import IndexOptions, index_folders
from semsearch.maintenance.why import why
from semsearch.retrieval import fusion
from semsearch.retrieval.fusion_weights import FusionWeights
from semsearch.retrieval.hit import Hit
from semsearch.retrieval.options import Expansion, SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.store.opening import open_store
from semsearch.store.records import Filters
from tests.support.folders import write
from tests.support.tiny_models import TOPICS

pytestmark = pytest.mark.slow

QUERIES = ("the pump runs", "old water", "a house and the tide", "valve")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, splade: Path) -> Path:
    """Sixty short texts of a few words."""
    chance = np.random.default_rng(5)
    folder = tmp_path_factory.mktemp("sparse")
    texts = {f"{number:02}.txt": " the ".join(chance.choice(TOPICS, 4)) + " stops" for number in range(60)}
    write(folder / "texts", texts)
    index_folders([str(folder / "texts")], str(folder / "index"), IndexOptions(model="static", sparse=str(splade)))
    return folder / "index"


def search(index: Path, query: str, weights: FusionWeights | None = None, **options: object) -> list[Hit]:
    asked = SearchOptions(**{"min_score": 0, "fold": False, "k": 100, **options})  # type: ignore[arg-type]
    with Searcher(str(index)) as searcher:
        if weights is not None:
            searcher.use_weights(weights)
        return list(searcher.search(query, asked).hits)


def test_passages_stand_in_the_order_of_the_library(index: Path, splade: Path) -> None:
    from sentence_transformers import SparseEncoder

    model = SparseEncoder(str(splade), device="cpu")
    texts = {path.name: path.read_text() for path in (index.parent / "texts").iterdir()}
    passages = model.encode_document(list(texts.values()), show_progress_bar=False)
    for query in QUERIES:
        theirs = model.similarity(model.encode_query(query), passages).to_dense().numpy()[0]
        of_path = dict(zip(texts, theirs.tolist(), strict=True))
        hits = search(index, query, mode="sparse")
        assert len(hits) == 60
        ours = np.array([hit.sparse for hit in hits])
        # Quantised to int8, pruned, and kept in whole steps; the weights of a random model are many, and much alike.
        assert np.corrcoef(ours, [of_path[hit.path] for hit in hits])[0, 1] > 0.95
        assert (np.diff(ours) <= 0).all()
        assert all(hit.dense is None and hit.lexical is None and 0 <= hit.score <= 1 for hit in hits)


def test_without_weight_it_is_as_if_there_were_none(index: Path, tmp_path: Path) -> None:
    index_folders([str(index.parent / "texts")], str(tmp_path / "plain"), IndexOptions(model="static"))
    for query in QUERIES:
        plain = [(hit.path, round(hit.score, 5)) for hit in search(tmp_path / "plain", query)]
        weighed = [(hit.path, round(hit.score, 5)) for hit in search(index, query, FusionWeights(sparse=0.0))]
        assert set(plain) <= set(weighed), "the leg may bring candidates more"


def test_with_all_weight_it_stands_in_the_place_of_bm25(index: Path) -> None:
    open_weights = FusionWeights(sparse=2.0)
    with Searcher(str(index)) as searcher:
        searcher.use_weights(open_weights)
        hits = searcher.search("the pump runs", SearchOptions(explain=True, min_score=0)).hits
    share = hits[0].explanation.sparse_share if hits[0].explanation else None
    # The random model was found to know no language: its share is the least.
    assert share == pytest.approx(2 * fusion.sparse_share(0, "latin", Calibration(0.5, {}, separation=0.1)), abs=0.01)
    known = Calibration(0.1, {"latin": 1.2}, separation=6.0)
    assert 2 * fusion.sparse_share(1.1, "latin", known) == pytest.approx(1.0)
    assert fusion.sparse_share(3.0, "latin", known) < 0.3, "passages in another language"
    assert fusion.sparse_share(1.1, "cyrillic", known) < 0.1, "a script that it was found blind in"


def test_filters_and_exclusions_hold(index: Path) -> None:
    every = search(index, "old water", mode="sparse")
    within = search(index, "old water", mode="sparse", filters=Filters(paths=("0*.txt",)))
    assert [hit.path for hit in within] == [hit.path for hit in every if hit.path.startswith("0")]
    without = search(index, "old water -pump", mode="sparse")
    assert without and not any("pump" in hit.text for hit in without)


def test_what_is_compared_beside_the_query_counts_by_its_tokens(index: Path) -> None:
    order = [hit.chunk_id for hit in search(index, "old water", mode="sparse")]
    expansion = Expansion(paraphrases=("valve tide",))
    for options in ({"unlike": ("valve tide",)}, {"expansion": expansion}, {"after": "valve tide"}):
        changed = search(index, "old water", mode="sparse", **options)
        assert sorted(hit.chunk_id for hit in changed) == sorted(order)
        assert [hit.chunk_id for hit in changed] != order


def test_a_miss_is_explained(index: Path) -> None:
    with Searcher(str(index)) as searcher:
        told = why(searcher, "old water", str(index.parent / "texts" / "07.txt"), SearchOptions(mode="sparse"))
    assert told.status in ("found", "ranked") and "by meaning" not in told.reason


def test_quality_has_a_row_for_it(index: Path) -> None:
    queries = {str(number): text for number, text in enumerate(QUERIES)}
    options = QualityOptions(queries=queries, qrels={number: {"07.txt": 1} for number in queries}, alphas=())
    report = measure_quality(str(index), options, lambda message: None)
    for table in report.tables:
        assert {"sparse", "hybrid, no sparse", "hybrid", "lexical"} <= {row.system for row in table.rows}


def test_while_most_chunks_have_none_its_share_is_small(index: Path, tmp_path: Path) -> None:
    store = open_store(str(index)).clone(str(tmp_path / "clone"))
    with store.write() as writer:
        info = writer.snapshot().info()
        assert info.sparse is not None
        with writer.transaction() as transaction:
            transaction.update(replace(info, sparse=replace(info.sparse, step=2 * info.sparse.step)))
    (hit, *_) = search(tmp_path / "clone", "old water", explain=True)
    assert hit.explanation is not None and hit.explanation.sparse_share == 0
