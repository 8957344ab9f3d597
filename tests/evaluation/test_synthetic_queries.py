"""Questions made from an index: each is answered by its passage, and a paraphrase is not in what it is asked of."""

from contextlib import closing
from pathlib import Path

import pytest

from semsearch.evaluation.index_copies import copy_without_queries
from semsearch.evaluation.synthetic_queries import synthetic_queries
from semsearch.indexing import IndexOptions, index_folders
from semsearch.lexical.words import words_of
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.query_sentences import held_out_queries
from semsearch.retrieval.searcher import Searcher
from semsearch.store.local.reader import OpenSnapshot
from tests.support.folders import write
from tests.support.made_texts import texts


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic") / "folder"
    guide = "# Guide\n\n" + "\n\n".join(
        f"## How number {number} is cared for\n\n{text}" for number, text in enumerate(texts(20, 3).values())
    )
    write(folder, {**texts(60, 2), "guide.md": guide, "short.txt": "Nothing much.\n"})  # type: ignore[dict-item]
    index_folders([str(folder)], None, IndexOptions(model="static", chunk_size=120))
    return folder / ".semsearch"


def test_held_out_queries_are_sentences_of_the_index_and_the_same_each_time(index: Path) -> None:
    with closing(OpenSnapshot(str(index))) as snapshot:
        queries = held_out_queries(snapshot, 40)
        held = [row["text"] for row in snapshot.catalog.connection.execute("SELECT text FROM chunks")]
        assert queries == held_out_queries(snapshot, 40)
        assert len(held_out_queries(snapshot, 10_000)) <= len(held)
    assert len(queries) == 40
    assert all(any(query in text for text in held) and query not in held for query in queries)


def test_known_items_are_words_of_their_passage_in_its_order(index: Path) -> None:
    with closing(OpenSnapshot(str(index))) as snapshot:
        known, _ = synthetic_queries(snapshot, 25)
        held = dict(snapshot.catalog.connection.execute("SELECT id, text FROM chunks").fetchall())
    assert len(known) == 25
    for question in known:
        words = list(words_of(held[question.chunk]))
        places = [words.index(word) for word in question.text.split()]
        assert 3 <= len(places) <= 5 and places == sorted(places)


def test_what_a_paraphrase_is_asked_of_does_not_hold_it(index: Path, tmp_path: Path) -> None:
    copy = str(tmp_path / "copy")
    with closing(OpenSnapshot(str(index))) as snapshot:
        _, paraphrases = synthetic_queries(snapshot, 25)
        count = snapshot.catalog.counts()["chunks"]
    assert len(paraphrases) == 25
    asked = copy_without_queries(str(index), copy, paraphrases, lambda message: None)
    with closing(OpenSnapshot(copy)) as snapshot:
        rows = {row["id"]: row for row in snapshot.catalog.connection.execute("SELECT * FROM chunks")}
        assert snapshot.catalog.counts()["chunks"] == count
    assert len({question.chunk for question in asked}) == 25
    for question in asked:
        row = rows[question.chunk]
        assert question.text not in row["text"] and question.text not in row["heading"]
    with Searcher(copy) as searcher:
        options = SearchOptions(k=count, fold=False, min_score=0)
        for question in asked[:5]:
            assert question.chunk in [hit.chunk_id for hit in searcher.search(question.text, options).hits]
    # The index itself is as it was.
    with Searcher(str(index)) as searcher:
        heading = next(question for question in paraphrases if question.text.startswith("How number"))
        best = searcher.search(heading.text, SearchOptions(mode="lexical", fold=False, min_score=0)).hits[0]
        assert best.chunk_id == heading.chunk
