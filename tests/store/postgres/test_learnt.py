"""What is learnt from questions is learnt, used and dropped in a database as in a folder."""

from pathlib import Path

import pytest

from semsearch.indexing import IndexOptions, index_folders
from semsearch.maintenance.verification import verify
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.tuning.dropping import drop_learnt
from semsearch.tuning.question_source import QuestionSource
from semsearch.tuning.tune_adapter import tune_adapter
from semsearch.tuning.tune_fusion import tune_fusion
from tests.support.folders import write
from tests.support.jargon import documents, questions, silent
from tests.support.nearly import nearly
from tests.support.postgres_server import shared_server

pytestmark = pytest.mark.slow
QUERY = "which violin needs paint near the pier"


def found(index: str, mode: str) -> list[object]:
    with Searcher(index) as searcher:
        hits = searcher.search(QUERY, SearchOptions(mode=mode, min_score=0)).hits
        return [(hit.path, hit.score) for hit in hits]


def test_what_words_mean_here_is_learnt_as_in_a_folder(tmp_path: Path) -> None:
    server = shared_server()
    local, url = str(tmp_path / "index"), server.url(server.new_database())
    write(tmp_path / "folder", documents())
    queries, qrels = questions()
    source = QuestionSource(queries=queries, qrels=qrels)
    reports = []
    for index in (local, url):
        index_folders([str(tmp_path / "folder")], index, IndexOptions(model="static"))
        before = found(index, "dense")
        report = tune_adapter(index, source, silent, silent)
        assert report.changed and found(index, "dense") != before
        fusion = tune_fusion(index, source, silent, silent)
        reports.append((report.rows[0].difference.mean, fusion.changed, fusion.weights))
    assert reports[1] == nearly(reports[0])
    assert [found(url, mode) for mode in ("dense", "hybrid")] == nearly(
        [found(local, mode) for mode in ("dense", "hybrid")]
    )
    assert verify(url, False, False, lambda message: None).problems == ()
    for index in (local, url):
        assert drop_learnt(index, False) and not drop_learnt(index, False)
    assert found(url, "dense") == nearly(before)
